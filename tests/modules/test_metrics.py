"""The module metrics by itself: a page that parses, whose figures are the ledger's."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from trio.testing import MockClock, wait_all_tasks_blocked

from lodestard.domain.breaker import Verdict
from lodestard.domain.closing import Closing
from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.news import AttemptEnded, RequestEnded
from lodestard.domain.request import Caller
from lodestard.domain.residency import HostCounts, HostState, ModelState
from lodestard.domain.settings import Settings, Upstream
from lodestard.domain.upstream import Target
from lodestard.ledger import CostRow
from lodestard.modules.metrics import MODULE
from lodestard.modules.metrics.cards import collect_cards
from lodestard.modules.metrics.settings import MetricsSettings
from lodestard.runtime import Runtime
from tests.fakes.rooms import FakeLedger, ScriptedSender, make_runtime

ROWS = (
    CostRow(
        key="paid/gpt", requests=7, errors=2, cache_hits=1, prompt_tokens=70, completion_tokens=30, cost_nano_usd=901
    ),
    CostRow(key='t600/od"d\\name', requests=1, prompt_tokens=4, completion_tokens=2, saved_nano_usd=55),
)


@dataclass
class Totals:
    held_nano_usd: int = 12
    open_requests: int = 3


@dataclass(slots=True, eq=False)
class ReportingLedger(FakeLedger):
    """Its reports say ``rows``, or fail."""

    rows: Sequence[CostRow] = ROWS
    asked: list[str] = field(default_factory=list)
    broken: bool = False

    @property
    def reports(self) -> "ReportingLedger":
        return self

    async def costs(self, by: str) -> Sequence[CostRow]:
        await trio.lowlevel.checkpoint()
        self.asked.append(by)
        if self.broken:
            raise HouseFault(Code.STORE_UNAVAILABLE, "the disk is gone")
        return self.rows

    def totals(self) -> Totals:
        return Totals()


@asynccontextmanager
async def offered(settings: MetricsSettings | None = None) -> AsyncIterator[tuple[Runtime, ReportingLedger]]:
    """The module at work."""
    ledger = ReportingLedger()
    upstreams = {name: Upstream(dialect="openai", url="http://127.0.0.1:1") for name in ("paid", "t600")}
    async with trio.open_nursery() as nursery:
        runtime = make_runtime(nursery, ScriptedSender({}), settings=Settings(upstreams=upstreams))
        runtime = replace(runtime, ledger=ledger)  # type: ignore[arg-type]
        nursery.start_soon(MODULE.run, runtime, settings or MetricsSettings())
        await wait_all_tasks_blocked()
        yield runtime, ledger
        nursery.cancel_scope.cancel()


async def read_page(runtime: Runtime, path: str = "/metrics") -> dict[str, list[Sample]]:
    """The samples of the page by name."""
    content_type, body = await runtime.hooks.pages[path]("")
    assert content_type.startswith("text/plain")
    found: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def tell_request(runtime: Runtime, *, cache: str = "miss", total_us: int = 250_000, overhead_us: int = 300) -> None:
    closing = Closing(outcome="ok", status=200, cache=cache, total_us=total_us, overhead_us=overhead_us)
    runtime.hooks.request_ended.tell(
        RequestEnded(request_id="req_1", caller=Caller(), alias="auto", attempts=1, cost_nano_usd=0, closing=closing)
    )


def tell_attempt(runtime: Runtime, target: Target, first_piece_ns: int | None) -> None:
    runtime.hooks.attempt_ended.tell(
        AttemptEnded(
            target=target,
            outcome="ok",
            total_ns=10**9,
            first_piece_ns=first_piece_ns,
            usage=None,
            durations=None,
            cost_nano_usd=0,
        )
    )


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("lodestar_requests_total", "requests"),
        ("lodestar_errors_total", "errors"),
        ("lodestar_cache_hits_total", "cache_hits"),
        ("lodestar_prompt_tokens_total", "prompt_tokens"),
        ("lodestar_completion_tokens_total", "completion_tokens"),
        ("lodestar_cost_nano_usd_total", "cost_nano_usd"),
        ("lodestar_saved_nano_usd_total", "saved_nano_usd"),
        ("lodestar_free_requests_total", "free_requests"),
        ("lodestar_unknown_nano_usd_total", "unknown_nano_usd"),
    ],
)
async def test_the_figures_are_the_ledgers(name: str, member: str) -> None:
    async with offered() as (runtime, _):
        samples = (await read_page(runtime))[name]
        assert {sample.labels["target"]: sample.value for sample in samples} == {
            row.key: getattr(row, member) for row in ROWS
        }


async def test_savings_are_told_by_lever_and_may_fall() -> None:
    async with offered() as (runtime, ledger):
        ledger.rows = (
            CostRow(key="paid/gpt", cost_nano_usd=7, saved_cheaper_nano_usd=-5, saved_prompt_cache_nano_usd=3),
            CostRow(key="t600/llama", cost_nano_usd=0, saved_local_nano_usd=11, saved_cache_nano_usd=2),
        )
        page = await read_page(runtime)
        told = {
            (sample.labels["upstream"], sample.labels["lever"]): sample.value
            for sample in page["lodestar_saved_by_lever_nano_usd"]
        }
        assert told["paid", "cheaper"] == -5 and told["paid", "prompt_cache"] == 3
        assert told["t600", "local"] == 11 and told["t600", "cache"] == 2
        assert page["lodestar_charged_nano_usd"][0].value == 7


async def test_what_is_now() -> None:
    async with offered() as (runtime, _):
        runtime.flights.load.put(7)
        runtime.flights.load.note_shed()
        with runtime.hooks.is_up.provide(lambda upstream: upstream != "paid"):
            page = await read_page(runtime)
        assert page["lodestar_buffered_bytes"][0].value == 7
        assert page["lodestar_shed_requests_total"][0].value == 1
        assert page["lodestar_turned_away_connections_total"][0].value == 0
        assert page["lodestar_held_nano_usd"][0].value == 12
        assert page["lodestar_open_requests"][0].value == 3
        assert page["lodestar_flights"][0].value == 0
        up = {sample.labels["upstream"]: sample.value for sample in page["lodestar_upstream_up"]}
        assert up == {"paid": 0, "t600": 1}


async def test_breakers_are_there_as_numbers() -> None:
    async with offered() as (runtime, _):
        target = Target("paid", "gpt")
        refused = Verdict(upstream="good", target="bad", at_once=True, why="upstream_model_missing, status 404")
        runtime.breakers.end(target, runtime.breakers.begin(target), refused)
        states = {
            sample.labels["breaker"]: sample.value for sample in (await read_page(runtime))["lodestar_breaker_state"]
        }
        assert states == {"paid": 0, "paid/gpt": 2, "t600": 0}


async def test_times_are_counted() -> None:
    async with offered() as (runtime, _):
        tell_request(runtime)
        tell_request(runtime, total_us=4_000_000, overhead_us=20_000_000)
        tell_request(runtime, cache="hit", total_us=400)
        tell_attempt(runtime, Target("paid", "gpt"), 30_000_000)
        tell_attempt(runtime, Target("paid", "gpt"), None)
        page = await read_page(runtime)
        counts = {sample.labels["cache"]: sample.value for sample in page["lodestar_request_seconds_count"]}
        assert counts == {"miss": 2, "hit": 1}
        sums = {sample.labels["cache"]: sample.value for sample in page["lodestar_request_seconds_sum"]}
        assert sums["miss"] == pytest.approx(4.25)
        assert page["lodestar_overhead_seconds_count"][0].value == 3
        (first,) = page["lodestar_first_piece_seconds_count"]
        assert (first.labels["target"], first.value) == ("paid/gpt", 1)
        buckets = {sample.labels["le"]: sample.value for sample in page["lodestar_first_piece_seconds_bucket"]}
        assert (buckets["0.025"], buckets["0.05"], buckets["+Inf"]) == (0, 1, 1)


async def test_the_ledger_is_not_asked_at_every_look(autojump_clock: MockClock) -> None:
    async with offered(MetricsSettings(max_age_s=10)) as (runtime, ledger):
        await read_page(runtime)
        ledger.rows = ()
        await trio.sleep(9)
        assert "lodestar_requests_total" in await read_page(runtime)
        await trio.sleep(2)
        assert "lodestar_requests_total" not in await read_page(runtime)
        assert ledger.asked == ["model", "model"]


async def test_a_ledger_that_fails_is_asked_again() -> None:
    async with offered() as (runtime, ledger):
        ledger.broken = True
        with pytest.raises(HouseFault):
            await read_page(runtime)
        ledger.broken = False
        assert "lodestar_requests_total" in await read_page(runtime)


async def test_its_page_is_where_it_was_configured_and_goes_with_it() -> None:
    async with offered(MetricsSettings(path="/figures")) as (runtime, _):
        assert tuple(runtime.hooks.pages) == ("/figures",)
        await read_page(runtime, "/figures")
    assert tuple(runtime.hooks.pages) == ()
    tell_request(runtime)


@dataclass(frozen=True)
class Cards:
    """Residency, as far as the page looks at it."""

    states: tuple[HostState, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(state.host for state in self.states)

    def state(self, host: str) -> HostState:
        return next(state for state in self.states if state.host == host)


def test_what_is_on_the_cards() -> None:
    models = (ModelState(model="a:1b", resident=True, running=1, waiting=2), ModelState(model="b:2b"))
    states = (
        HostState(host="t600", step="serving", models=models, counts=HostCounts(loads=3, swaps=2, swap_seconds=7.5)),
        HostState(host="t601", step="idle"),
    )
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in collect_cards(Cards(states))
        for sample in family.samples
    }
    assert found["lodestar_card_loads_total", "t600"] == 3
    assert found["lodestar_card_loads_total", "t601"] == 0
    assert found["lodestar_card_swap_seconds_total", "t600"] == 7.5
    assert found["lodestar_model_resident", "t600", "t600/a:1b"] == 1
    assert found["lodestar_model_resident", "t600", "t600/b:2b"] == 0
    assert found["lodestar_card_requests", "t600", "t600/a:1b", "waiting"] == 2
    assert found["lodestar_card_requests", "running", "t600", "t600/a:1b"] == 1


def test_without_cards_there_is_nothing_of_them() -> None:
    assert list(collect_cards(None)) == []
    assert list(collect_cards(Cards(()))) == []
