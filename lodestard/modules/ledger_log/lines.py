"""What a line says. Pure.

Law: amounts are there twice, as integers of nano-USD and as exact dollars; names are plain, because it is a backup;
no word of a prompt or an answer, and no key, is in any of them. A line's members are only ever added to.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

import msgspec

from lodestard.domain.money import format_usd
from lodestard.domain.news import AttemptEnded, BudgetAlert, RequestEnded
from lodestard.domain.usage import Usage

MS_PER_S = 1_000
NS_PER_US = 1_000
News = AttemptEnded | RequestEnded | BudgetAlert


def write_line(at_ms: int, news: News) -> bytes:
    """One line, its end included."""
    if isinstance(news, AttemptEnded):
        members = attempt_members(news)
    elif isinstance(news, RequestEnded):
        members = request_members(news)
    else:
        members = alert_members(news)
    return msgspec.json.encode({"at": moment(at_ms), **members}) + b"\n"


def attempt_members(news: AttemptEnded) -> dict[str, object]:
    """An attempt that has ended; the sums of these are the ledger's."""
    return {
        "event": "attempt",
        "request": news.request_id,
        "ordinal": news.ordinal,
        "upstream": news.target.upstream,
        "model": news.target.model,
        "outcome": str(news.outcome),
        "state": news.state,
        **amount("hold", news.hold_nano_usd),
        **amount("cost", news.cost_nano_usd),
        "price": news.price,
        "total_us": news.total_ns // NS_PER_US,
        "tokens": tokens_of(news.usage),
    }


def request_members(news: RequestEnded) -> dict[str, object]:
    """A request that has ended. What its attempts cost that end later still is in their own lines."""
    closing, figures, caller = news.closing, news.figures, news.caller
    return {
        "event": "request",
        "request": news.request_id,
        "received": moment(figures.received_ms),
        "alias": news.alias,
        "principal": caller.principal,
        "project": figures.project or caller.project,
        "user": caller.user,
        "session": figures.session or caller.session,
        "client": caller.client,
        "task": caller.task,
        "outcome": str(closing.outcome),
        "status": closing.status,
        "cache": closing.cache,
        "upstream": closing.target.upstream if closing.target else "",
        "model": closing.target.model if closing.target else "",
        "attempts": news.attempts,
        "free": figures.free,
        **amount("cost", figures.cost_nano_usd),
        **amount("unknown", figures.unknown_nano_usd),
        **({} if figures.baseline_nano_usd is None else amount("baseline", figures.baseline_nano_usd)),
        "total_us": closing.total_us,
        "tokens": tokens_of(closing.usage),
    }


def alert_members(news: BudgetAlert) -> dict[str, object]:
    """A budget that came near its limit."""
    sums = {"used": news.used, "limit": news.limit}
    exact = {f"{name}_usd": format_usd(value) for name, value in sums.items()} if news.unit == "usd" else {}
    return {
        "event": "budget_alert",
        "budget": news.budget,
        "scope": news.scope,
        "value": news.value,
        "unit": news.unit,
        "level": news.level,
        **sums,
        **exact,
        "window_start": moment(news.window_start_ms),
        "window_end": None if news.window_end_ms is None else moment(news.window_end_ms),
        "hard": news.hard,
        "text": news.text,
    }


def amount(name: str, nano_usd: int) -> dict[str, object]:
    """``{"cost_nano_usd": 1234500, "cost_usd": "0.001234500"}``."""
    return {f"{name}_nano_usd": nano_usd, f"{name}_usd": format_usd(nano_usd)}


def tokens_of(usage: Usage | None) -> Mapping[str, int] | None:
    """The kinds of tokens that there are any of; None where nobody counted them."""
    if usage is None:
        return None
    names = (name for name in usage.__struct_fields__ if name.endswith("_tokens"))
    return {name.removesuffix("_tokens"): value for name in names if (value := getattr(usage, name))}


def moment(at_ms: int) -> str:
    """``2026-11-25T21:10:03.004Z``."""
    seconds, millis = divmod(at_ms, MS_PER_S)
    return f"{datetime.fromtimestamp(seconds, UTC).strftime('%Y-%m-%dT%H:%M:%S')}.{millis:03d}Z"


def day_of(at_ms: int, zone: tzinfo) -> str:
    """The ledger's day that an instant is in: which file a line belongs to."""
    return datetime.fromtimestamp(at_ms // MS_PER_S, UTC).astimezone(zone).date().isoformat()
