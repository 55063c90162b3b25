"""What a provider's administration says it has billed: pages of daily buckets, read off the meter.

Law: an admin key opens it and no other key does; a day is a UTC day of the provider's clock. Owner: one `Admin` per
provider; ``extra_cents`` is a planted untruth: every day with traffic says so much more than the meter has.
Sources: OpenAI's ``/v1/organization/costs`` and ``/usage/completions``, Anthropic's ``/v1/organizations/cost_report``
and ``/usage_report/messages``, as their API references show them.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from lodestard.simulator.answering.question import Json
from lodestard.simulator.exchange import Exchange, Refusal
from lodestard.simulator.paid.meter import DAY_NS, Meter, Totals
from lodestard.simulator.paid.providers import AdminHabits
from lodestard.simulator.walltime import WallNs, rfc3339_seconds

_DAY_S = 86_400
_NS = 1_000_000_000
_NANO_PER_CENT = 10_000_000
_MOST_BUCKETS = {"costs": 180, "report": 31}
_DEFAULT_BUCKETS = 7
PROJECT = "proj_simulated"
WORKSPACE = "wrkspc_simulated"
Results = Callable[[Mapping[str, Totals], bool], list[Json]]


class Span(msgspec.Struct, frozen=True):
    """Days from ``first`` to before ``end``, at most ``limit`` to a page."""

    first: int
    end: int
    limit: int


class Admin:
    """The administration of one provider."""

    def __init__(self, meter: Meter, habits: AdminHabits, wall_ns: WallNs) -> None:
        self._meter = meter
        self._habits = habits
        self._wall_ns = wall_ns
        self.extra_cents = habits.extra_cents

    def key_is_good(self, carried: str, start: str) -> bool:
        """The one key, where there is one; otherwise any that looks like an admin's."""
        wanted = self._habits.key
        return carried == wanted if wanted is not None else carried.startswith(start)

    async def answer_openai(self, exchange: Exchange, path: str) -> None:
        """``path`` is below ``/organization``. Raises `Refusal`."""
        scheme, _, carried = (exchange.request.header("authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not carried:
            raise Refusal(401, "You didn't provide an API key.", code="invalid_api_key")
        if not self.key_is_good(carried, "sk-admin"):
            raise Refusal(
                403, "You have insufficient permissions for this operation. Missing scopes: api.usage.read."
            )
        results = {"/costs": self._openai_costs, "/usage/completions": _openai_usage}.get(path)
        if results is None:
            raise Refusal(404, f"Invalid URL (GET {exchange.request.path})")
        query = exchange.request.query
        span = self._span(query, _seconds(query, "start_time"), _seconds(query, "end_time", required=False))
        projects = {value for name, value in query.items() if name in ("project_ids", "project_ids[]")}
        shown = not projects or PROJECT in projects
        data: list[Json] = [
            {
                "object": "bucket",
                "start_time": day * _DAY_S,
                "end_time": (day + 1) * _DAY_S,
                "results": results(self._meter.days.get(day, {}), "line_item" in query.values()) if shown else [],
            }
            for day in range(span.first, min(span.end, span.first + span.limit))
        ]
        await exchange.json(200, {"object": "page", "data": data, **_next_page(span)})

    async def answer_anthropic(self, exchange: Exchange) -> None:
        """Raises `Refusal`."""
        if not self.key_is_good(exchange.request.header("x-api-key") or "", "sk-ant-admin"):
            raise Refusal(401, "invalid x-api-key")
        path = exchange.request.path.removeprefix("/v1/organizations")
        results = {"/cost_report": self._anthropic_costs, "/usage_report/messages": _anthropic_usage}.get(path)
        if results is None:
            raise Refusal(404, "Not found")
        query = exchange.request.query
        span = self._span(query, _moment(query, "starting_at"), _moment(query, "ending_at", required=False))
        data: list[Json] = [
            {
                "starting_at": rfc3339_seconds(day * DAY_NS),
                "ending_at": rfc3339_seconds((day + 1) * DAY_NS),
                "results": results(self._meter.days.get(day, {}), "description" in query.values()),
            }
            for day in range(span.first, min(span.end, span.first + span.limit))
        ]
        await exchange.json(200, {"data": data, **_next_page(span)})

    def _span(self, query: Mapping[str, str], start_s: int, end_s: int) -> Span:
        if query.get("bucket_width", "1d") != "1d":
            raise Refusal(400, "bucket_width: only 1d is simulated")
        most = _MOST_BUCKETS["costs" if "start_time" in query else "report"]
        try:
            limit = int(query.get("limit", _DEFAULT_BUCKETS))
        except ValueError:
            limit = 0
        if not 1 <= limit <= most:
            raise Refusal(400, f"limit: expected 1 to {most}")
        today = self._wall_ns() // DAY_NS
        end = min(-(-end_s // _DAY_S), today + 1) if end_s else today + 1
        first = start_s // _DAY_S
        if page := query.get("page"):
            if not page.removeprefix("page_").isdecimal():
                raise Refusal(400, "page: no such page")
            first = int(page.removeprefix("page_"))
        return Span(first, end, min(limit, self._habits.page_buckets))

    def _billed_nano_usd(self, totals: Totals, *, first: bool) -> int:
        return totals.nano_usd + (self.extra_cents * _NANO_PER_CENT if first else 0)

    def _openai_costs(self, models: Mapping[str, Totals], by_item: bool) -> list[Json]:
        lines = self._lines(models)
        if lines and not by_item:
            lines = [(None, sum(nano_usd for _, nano_usd in lines))]
        return [
            {
                "object": "organization.costs.result",
                "amount": {"value": msgspec.Raw(_decimal(nano_usd, 9).encode()), "currency": "usd"},
                "line_item": name,
                "project_id": PROJECT,
            }
            for name, nano_usd in lines
        ]

    def _anthropic_costs(self, models: Mapping[str, Totals], by_item: bool) -> list[Json]:
        lines = self._lines(models)
        if lines and not by_item:
            lines = [(None, sum(nano_usd for _, nano_usd in lines))]
        return [
            {
                "currency": "USD",
                "amount": _decimal(nano_usd, 7),
                "workspace_id": WORKSPACE,
                "description": name,
                "cost_type": "tokens",
                "model": name,
            }
            for name, nano_usd in lines
        ]

    def _lines(self, models: Mapping[str, Totals]) -> list[tuple[str | None, int]]:
        return [
            (name, self._billed_nano_usd(totals, first=number == 0))
            for number, (name, totals) in enumerate(sorted(models.items()))
        ]


def _openai_usage(models: Mapping[str, Totals], _by_item: bool) -> list[Json]:
    if not models:
        return []
    return [
        {
            "object": "organization.usage.completions.result",
            "input_tokens": sum(one.prompt for one in models.values()),
            "output_tokens": sum(one.completion for one in models.values()),
            "input_cached_tokens": sum(one.cached for one in models.values()),
            "num_model_requests": sum(one.requests for one in models.values()),
            "project_id": PROJECT,
        }
    ]


def _anthropic_usage(models: Mapping[str, Totals], _by_item: bool) -> list[Json]:
    if not models:
        return []
    return [
        {
            "uncached_input_tokens": sum(one.prompt - one.cached - one.cache_write for one in models.values()),
            "cache_creation": {
                "ephemeral_5m_input_tokens": sum(one.cache_write - one.cache_write_1h for one in models.values()),
                "ephemeral_1h_input_tokens": sum(one.cache_write_1h for one in models.values()),
            },
            "cache_read_input_tokens": sum(one.cached for one in models.values()),
            "output_tokens": sum(one.completion for one in models.values()),
            "workspace_id": WORKSPACE,
        }
    ]


def _next_page(span: Span) -> dict[str, Json]:
    after = span.first + span.limit
    more = after < span.end
    return {"has_more": more, "next_page": f"page_{after}" if more else None}


def _decimal(nano_usd: int, places: int) -> str:
    """As a decimal of dollars (nine places) or cents (seven)."""
    whole, rest = divmod(nano_usd, 10**places)
    return f"{whole}.{rest:0{places}d}"


def _seconds(query: Mapping[str, str], name: str, *, required: bool = True) -> int:
    text = query.get(name, "")
    if text.isdecimal():
        return int(text)
    if required or text:
        raise Refusal(400, f"'{name}' is required and must be an integer", param=name)
    return 0


def _moment(query: Mapping[str, str], name: str, *, required: bool = True) -> int:
    text = query.get(name, "")
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        if required or text:
            raise Refusal(400, f"{name}: Field required, as an RFC 3339 timestamp") from None
    return 0
