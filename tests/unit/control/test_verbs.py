"""The core's verbs over a desk, called as the handler calls them."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
import trio

from lodestard.control.arguments import read_arguments
from lodestard.control.messages import CacheWarmed, RequestRow
from lodestard.control.messages.alerts import AlertRow, AlertsPart
from lodestard.control.verbs import core_verbs
from lodestard.control.verbs.desk import Asked, HouseState
from lodestard.control.verbs.house import find_alerts, read_status
from lodestard.domain.closing import Closing
from lodestard.domain.errors import CallerFault, Code, UpstreamFault
from lodestard.domain.news import RequestEnded
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Target
from lodestard.domain.usage import Usage
from tests.fakes import control_samples as samples
from tests.fakes.control_desk import (
    LISTENERS,
    NOW_MS,
    SETTINGS,
    Attempt,
    FakeDesk,
    Figures,
    Found,
    Record,
    make_runtime,
    with_baseline,
)

DAY_MS = 86_400_000


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk(make_runtime(SETTINGS))


async def call(desk: FakeDesk, verb_name: str, /, **arguments: Any) -> Any:
    verb = core_verbs(desk)[verb_name]
    assert verb.answer is not None
    answer = await verb.answer(read_arguments(verb, msgspec.json.encode(arguments)))
    return msgspec.json.decode(msgspec.json.encode(answer), type=type(answer))


async def gather(desk: FakeDesk, name: str, **arguments: Any) -> list[Any]:
    verb = core_verbs(desk)[name]
    assert verb.stream is not None
    items: list[Any] = []

    async def emit(item: object) -> None:
        items.append(item)

    await verb.stream(read_arguments(verb, msgspec.json.encode(arguments)), emit)
    return items


def test_every_verb_is_under_its_own_name_and_does_one_thing(desk: FakeDesk) -> None:
    verbs = core_verbs(desk)
    assert all(name == verb.name and (verb.answer is None) != (verb.stream is None) for name, verb in verbs.items())
    changing = {name for name, verb in verbs.items() if verb.needs == "admin"}
    assert changing == {
        "ask",
        "budget.override",
        "budget.revoke",
        "budget.set",
        "budget.unset",
        "cache.clear",
        "cache.export",
        "cache.warm",
        "config.reload",
        "config.set",
        "config.unset",
        "drain",
        "feedback.give",
        "restart",
        "gpu.pause",
        "gpu.pin",
        "gpu.resume",
        "gpu.unpin",
        "keys.add",
        "keys.revoke",
        "log-level",
        "models.pull",
        "models.test",
        "project.see",
        "project.trust",
        "project.untrust",
        "session.end",
        "session.start",
        "unload",
        "use.end",
        "use.set",
        "warm",
    }


# the house


async def test_status_joins_pools_health_and_the_ledger() -> None:
    runtime = make_runtime(with_baseline(), keys_missing={"xai": "XAI_API_KEY is not set"})
    desk = FakeDesk(
        runtime,
        house=HouseState(
            state="degraded",
            why="every upstream is down",
            config_file="/c.toml",
            listeners=LISTENERS,
            connections=3,
            exchanges=1,
            held_nano_usd=5,
            overload="9 of 10 MiB are held",
            pools={"t600": (2, 1)},
        ),
    )
    desk.reports.figures = {
        "upstream": [
            Figures(key="t600", requests=6, cache_hits=1, prompt_tokens=100, completion_tokens=50),
            Figures(key="openai", requests=3, cache_hits=2, prompt_tokens=10),
            Figures(key="", requests=1),
        ],
        "cache": [
            Figures(key="hit", requests=3, saved_nano_usd=70),
            Figures(key="miss", requests=5, errors=1, cost_nano_usd=30, saved_nano_usd=-10),
            Figures(key="bypass", requests=2),
        ],
    }
    health = {
        "t600": {"state": "up", "latency_ms": 4, "resident": ["llama"]},
        "openai": {"state": "down", "error": "refused"},
    }
    with (
        runtime.hooks.status_parts.add("upstreams", lambda: health),
        runtime.hooks.status_parts.add("gpu", lambda: {"power_w": 31}),
    ):
        status = await call(desk, "status")
    t600, openai, xai = status.upstreams
    assert (t600.state, t600.latency_ms, t600.connections, t600.busy, t600.resident) == ("up", 4, 2, 1, ("llama",))
    assert (openai.state, openai.detail, openai.resident) == ("down", "refused", None)
    assert (xai.state, xai.detail) == ("unknown", "has no key")
    assert (status.state, status.uptime_s, status.config) == ("degraded", 3_600.0, "/c.toml")
    assert status.parts == {"gpu": {"power_w": 31}}
    today = status.today
    assert (today.requests, today.free_requests, today.failed_requests) == (10, 8, 1)
    assert (today.cache_hits, today.cache_lookups) == (3, 8)
    assert (today.cost_nano_usd, today.held_nano_usd, today.saved_nano_usd) == (30, 5, 60)
    assert today.prompt_tokens + today.completion_tokens == 160
    assert [problem.severity for problem in status.problems] == ["error", "warning", "error", "warning"]
    assert status.problems[1].what == "Too much at once: 9 of 10 MiB are held."
    assert "refused" in status.problems[2].what
    assert {asked[1] for asked in desk.reports.asked if asked[0] != "day"} == {NOW_MS - NOW_MS % DAY_MS}


async def test_status_without_modules_or_requests(desk: FakeDesk) -> None:
    with desk.runtime.hooks.status_parts.add("upstreams", lambda: "broken"):
        status = await read_status(desk)
    assert [upstream.state for upstream in status.upstreams] == ["unknown"] * 3
    assert (status.today.requests, status.today.saved_nano_usd) == (0, None)
    assert status.problems == ()


async def test_an_upstream_that_is_down_says_where_to_look() -> None:
    runtime = make_runtime(SETTINGS)
    with runtime.hooks.status_parts.add("upstreams", lambda: {"t600": {"state": "down"}}):
        status = await read_status(FakeDesk(runtime))
    assert status.problems[0].what == "t600 is down."
    assert "/api/version" in status.problems[0].advice


async def test_version_drain_and_log_level(desk: FakeDesk) -> None:
    assert (await call(desk, "version")).runs_on["sqlite"] == "3.51.3"
    draining = await call(desk, "drain")
    assert (desk.drained, draining.drain_s) == (True, 120.0)
    assert (await call(desk, "restart")).drain_s == 20.0
    level = await call(desk, "log-level", level="debug")
    assert (level.level, level.was, desk.level) == ("debug", "info", "debug")
    with pytest.raises(CallerFault):
        await call(desk, "log-level", level="loud")


# figures


async def test_costs_are_the_ledgers_and_sum_up() -> None:
    desk = FakeDesk(
        make_runtime(with_baseline()), house=HouseState(state="ready", held_nano_usd=7), timezone="Europe/Berlin"
    )
    desk.reports.figures["model"] = [
        Figures(key="openai/gpt-4o", requests=2, cost_nano_usd=30, unknown_nano_usd=3, saved_nano_usd=5, errors=1),
        Figures(key="/", requests=1, cache_hits=1, saved_nano_usd=2),
    ]
    report = await call(desk, "costs", since="2025-11-01", until="2025-11-02")
    assert [row.name for row in report.rows] == ["openai/gpt-4o", ""]
    total = report.total
    assert (total.requests, total.cost_nano_usd, total.unknown_nano_usd, total.held_nano_usd) == (3, 30, 3, 7)
    assert (total.saved_nano_usd, total.cache_hits, total.failed, report.baseline) == (7, 1, 1, "openai/gpt-4o")
    ((by, since_ms, until_ms, zone),) = desk.reports.asked
    assert (by, until_ms - since_ms, zone) == ("model", 2 * DAY_MS, "Europe/Berlin")


async def test_costs_without_a_baseline_or_an_end(desk: FakeDesk) -> None:
    desk.reports.figures["day"] = [Figures(key="2025-11-21", requests=1, saved_nano_usd=9)]
    report = await call(desk, "costs", by="day", since="")
    assert (report.total.saved_nano_usd, report.since_ms, report.until_ms) == (None, None, None)
    assert (await call(desk, "costs", since="7d")).since_ms == NOW_MS - 7 * DAY_MS
    for wrong in ({"by": "weather"}, {"since": "soon"}, {"until": "never"}):
        with pytest.raises(CallerFault):
            await call(desk, "costs", **wrong)


async def test_the_ledger_is_verified(desk: FakeDesk) -> None:
    assert await call(desk, "ledger.verify") == samples.VERIFIED


# requests


async def test_requests_are_listed_oldest_first(desk: FakeDesk) -> None:
    desk.reports.records = [
        Record(id="req_c", state="open", outcome="", upstream="", model=""),
        Record(id="req_b", state="crashed", outcome="", baseline_nano_usd=50, cost_nano_usd=20),
        Record(id="req_a"),
    ]
    rows = (await call(desk, "requests", last=3)).requests
    assert [row.request_id for row in rows] == ["req_a", "req_b", "req_c"]
    whole, crashed, running = rows
    assert (whole.total_ms, whole.first_piece_ms, whole.target) == (1500, 400, "t600/llama3.1:8b")
    assert (whole.saved_nano_usd, whole.stream) == (None, True)
    assert (crashed.outcome, crashed.saved_nano_usd) == ("crashed", 30)
    assert (running.outcome, running.total_ms, running.overhead_us, running.target) == ("", None, None, "")
    assert (await call(desk, "requests", last=0)).requests == ()
    for wrong in (-1, 1001):
        with pytest.raises(CallerFault, match="last"):
            await call(desk, "requests", last=wrong)


def ended(request_id: str) -> RequestEnded:
    closing = Closing(
        outcome="ok",
        status=200,
        cache="miss",
        target=Target("t600", "llama"),
        usage=Usage(prompt_tokens=3, completion_tokens=4),
        total_us=2_000_000,
        first_piece_us=5_000,
    )
    return RequestEnded(
        request_id=request_id, caller=Caller(), alias="a", attempts=1, cost_nano_usd=8, closing=closing
    )


async def test_following_shows_the_latest_then_each_as_it_ends_also_after_a_reload(
    desk: FakeDesk, autojump_clock: trio.testing.MockClock
) -> None:
    desk.reports.records = [Record(id="req_old")]
    seen: list[RequestRow] = []
    follow = core_verbs(desk)["requests.follow"].stream
    assert follow is not None

    async def emit(item: object) -> None:
        assert isinstance(item, RequestRow)
        seen.append(item)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow, {"last": 1}, emit)
        await trio.sleep(0.1)
        desk.ended.tell(ended("req_1"))
        desk.runtime = make_runtime(SETTINGS)
        desk.ended.tell(ended("req_2"))
        desk.ended.tell(ended("req_3"))
        await trio.sleep(2)
        nursery.cancel_scope.cancel()
    assert [row.request_id for row in seen] == ["req_old", "req_1", "req_2", "req_3"]
    assert (seen[1].started_ms, seen[1].total_ms, seen[1].first_piece_ms) == (NOW_MS - 2000, 2000, 5)
    assert (seen[1].prompt_tokens, seen[1].target, seen[1].cost_nano_usd) == (3, "t600/llama", 8)
    desk.ended.tell(ended("req_4"))  # nobody listens any more
    assert len(seen) == 4


async def test_a_follower_that_is_too_slow_misses_news_and_holds_nobody_up(
    desk: FakeDesk, autojump_clock: trio.testing.MockClock
) -> None:
    follow = core_verbs(desk)["requests.follow"].stream
    assert follow is not None

    async def never(_item: object) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow, {"last": 0}, never)
        await trio.sleep(0.1)
        for number in range(3_000):
            desk.ended.tell(ended(f"req_{number}"))
        nursery.cancel_scope.cancel()


TRACE: Mapping[str, Any] = {
    "reason": "alias local-llama; openai down",
    "cache": "its temperature is above 0.3",
    "candidates": [{"target": "t600/llama3.1:8b", "free": True, "up": True, "predicted_wait_s": 2.5}],
    "rejected": [{"target": "xai/grok-beta", "reason": "it has no price"}],
    "attempts": [
        {
            "outcome": "upstream_cut",
            "detail": "Cut.",
            "started_us": 100,
            "dialled_us": 3_100,
            "first_piece_us": 9_100,
        },
    ],
}


async def test_an_explanation_has_the_ledgers_money_and_the_traces_times(desk: FakeDesk) -> None:
    attempts = (Attempt(state="unknown", held_nano_usd=9, cost_nano_usd=9), Attempt(price="config"))
    desk.reports.found["req_1"] = Found(request=Record(id="req_1"), attempts=attempts, trace=TRACE)
    told = await call(desk, "explain", id="req_1")
    assert told.reason == "alias local-llama; openai down"
    assert [(row.target, row.chosen) for row in told.candidates] == [
        ("t600/llama3.1:8b", True),
        ("xai/grok-beta", False),
    ]
    first, second = told.attempts
    assert (first.outcome, first.detail, first.wait_ms, first.first_piece_ms) == ("upstream_cut", "Cut.", 3, 6)
    assert (first.hold_nano_usd, first.cost_nano_usd) == (9, 9)
    assert (second.outcome, second.wait_ms, second.price) == ("ok", None, "config")
    assert told.notes == ("the cache was passed by: its temperature is above 0.3",)


async def test_an_explanation_says_how_an_attempt_came_to_its_place(desk: FakeDesk) -> None:
    wait = {"likely_s": 2.9, "low_s": 1.8, "high_s": 4.4, "why": "swap"}
    told = {
        "started_us": 100,
        "admitted_us": 3_200_100,
        "notes": ["waited 3.2 s", 7],
        "wait": wait,
        "room_tokens": 99,
    }
    odd = {"notes": "none", "wait": {"likely": 2}, "room_tokens": None}
    attempts = (Attempt(), Attempt())
    desk.reports.found["req_1"] = Found(
        request=Record(id="req_1"), attempts=attempts, trace={"attempts": [told, odd]}
    )
    first, second = (await call(desk, "explain", id="req_1")).attempts
    assert (first.place_ms, first.notes, first.room_tokens) == (3_200, ("waited 3.2 s",), 99)
    assert (first.wait.likely_s, first.wait.why) == (2.9, "swap")
    assert (second.place_ms, second.notes, second.wait, second.room_tokens) == (None, (), None, None)


@pytest.mark.parametrize("trace", [{}, {"attempts": "?", "candidates": [1], "rejected": None}])
async def test_an_explanation_without_a_whole_trace(desk: FakeDesk, trace: Mapping[str, Any]) -> None:
    attempts = (Attempt(state="released", reason="upstream_unreachable"),)
    desk.reports.found["req_1"] = Found(request=Record(id="req_1", state="open"), attempts=attempts, trace=trace)
    told = await call(desk, "explain", id="req_1")
    assert told.candidates == ()
    assert told.attempts[0].outcome == "upstream_unreachable"
    assert bool(told.notes) is not bool(trace)


async def test_a_request_is_found_by_the_end_of_its_id(desk: FakeDesk) -> None:
    desk.reports.records = [Record(id="req_1abcd"), Record(id="req_2abcd"), Record(id="req_2efgh")]
    desk.reports.found["req_2efgh"] = Found(request=Record(id="req_2efgh"))
    assert (await call(desk, "explain", id="efgh")).request.request_id == "req_2efgh"
    with pytest.raises(CallerFault, match="2 requests end with"):
        await call(desk, "explain", id="abcd")
    for missing in ("zzzz", "gh", "2abc"):
        with pytest.raises(CallerFault) as caught:
            await call(desk, "explain", id=missing)
        assert caught.value.code is Code.NOT_FOUND


# the cache


async def test_the_cache_is_cleared_by_alias_target_model_and_age(desk: FakeDesk) -> None:
    assert (await call(desk, "cache.stats")) == samples.CACHE
    assert (await call(desk, "cache.clear")).entries == 3
    assert (await call(desk, "cache.clear", model="local-llama", older_than="24h")).entries == 6
    await call(desk, "cache.clear", model="other/model")
    await call(desk, "cache.clear", model="grok-beta")
    assert desk.cleared == [
        ("", None),
        ("t600/llama3.1:8b", 86_400),
        ("openai/gpt-4o-mini", 86_400),
        ("other/model", None),
        ("grok-beta", None),
    ]
    with pytest.raises(CallerFault, match="Did you mean 'local-llama'"):
        await call(desk, "cache.clear", model="local-lama")
    with pytest.raises(CallerFault, match="no model"):
        await call(desk, "cache.clear", model="xyzzy")
    with pytest.raises(CallerFault, match="no age"):
        await call(desk, "cache.clear", older_than="long")


async def test_the_cache_is_warmed_by_asking_and_by_answers(desk: FakeDesk) -> None:
    request = Record(id="req_1", cost_nano_usd=4)
    desk.reports.found["req_1"] = Found(request=request, trace={"cache": ""})
    lines = [
        '{"model": "local-llama", "messages": []}',
        "",
        '{"reply": 1, "target": "t/m"}',
        '{"reply": "old"}',
        "{",
        "[]",
    ]
    items: Sequence[CacheWarmed] = await gather(desk, "cache.warm", lines=lines)
    assert [(item.line, item.outcome) for item in items] == [
        (1, "kept"),
        (3, "kept"),
        (4, "not kept"),
        (5, "invalid_json"),
        (6, "invalid_json"),
    ]
    assert desk.bodies == [{"model": "local-llama", "messages": [], "stream": True}]
    assert (items[0].alias, items[0].target, items[0].cost_nano_usd) == ("local-llama", "t600/llama3.1:8b", 4)
    assert (items[1].target, items[2].detail) == ("t/m", "too old")


async def test_warming_says_why_an_answer_was_not_kept_and_goes_on_after_a_fault(desk: FakeDesk) -> None:
    desk.outcome = Asked(request_id="req_gone", cache="bypass")
    (item,) = await gather(desk, "cache.warm", lines=["{}"])
    assert (item.outcome, item.target) == ("not kept", "")
    desk.outcome = UpstreamFault(Code.UPSTREAM_CUT, "Cut.")
    items = await gather(desk, "cache.warm", lines=["{}", "{}"])
    assert [item.outcome for item in items] == ["upstream_cut", "upstream_cut"]


async def test_the_cache_is_exported(desk: FakeDesk) -> None:
    desk.exported = (b'{"key":"a"}', b'{"key":"b"}')
    assert [bytes(line) for line in await gather(desk, "cache.export")] == [b'{"key":"a"}', b'{"key":"b"}']


# models


async def test_models_are_listed_with_prices_health_and_objections() -> None:
    objections = {"openai/gpt-4o-mini": "it has no price", "xai/grok-beta": "it has no price"}
    runtime = make_runtime(SETTINGS, objections=objections)
    with runtime.hooks.status_parts.add("upstreams", lambda: {"t600": {"state": "up"}, "openai": {"state": "down"}}):
        report = await call(FakeDesk(runtime), "models")
    llama, gpt, _, grok = report.models
    assert llama.description == "a small llama"
    first, second = llama.targets
    assert (first.free, first.state, first.input_pico_usd, first.note) == (True, "up", None, "")
    assert (second.free, second.state, second.note) == (False, "down", "it has no price")
    assert (gpt.targets[0].input_pico_usd, gpt.targets[0].output_pico_usd) == (2_500_000, 10_000_000)
    assert (grok.targets[0].state, grok.targets[0].note) == ("unknown", "grok can't be used: it has no price.")


async def test_a_test_is_planned_with_the_cheapest_of_each_upstream(desk: FakeDesk) -> None:
    plans = (await call(desk, "models.plan")).calls
    assert [(plan.alias, plan.max_cost_nano_usd) for plan in plans] == [
        ("local-llama", 0),
        ("gpt-4o", 128 * 2_500 + 16 * 10_000),
        ("grok", None),
    ]
    plans = (await call(desk, "models.plan", aliases=["gpt-4o-mini", "grok"])).calls
    assert [plan.alias for plan in plans] == ["gpt-4o-mini", "grok"]
    with pytest.raises(CallerFault, match="Did you mean 'grok'"):
        await call(desk, "models.plan", aliases=["grokk"])


async def test_a_test_calls_what_has_a_price_and_tells_each_outcome(desk: FakeDesk) -> None:
    desk.reports.found["req_1"] = Found(request=Record(id="req_1", cost_nano_usd=12))
    results = await gather(desk, "models.test")
    assert [(result.target, result.outcome, result.cost_nano_usd) for result in results] == [
        ("t600/llama3.1:8b", "ok", 12),
        ("openai/gpt-4o", "ok", 12),
    ]
    assert desk.bodies[1]["model"] == "openai/gpt-4o"
    assert desk.bodies[1]["max_tokens"] == 16
    desk.outcome = UpstreamFault(Code.UPSTREAM_AUTH, "The key is refused.")
    (result,) = await gather(desk, "models.test", aliases=["gpt-4o"])
    assert (result.outcome, result.detail, result.cost_nano_usd) == ("upstream_auth", "The key is refused.", 0)


# ask


async def test_ask_gives_the_text_then_what_is_known(desk: FakeDesk) -> None:
    desk.reports.found["req_1"] = Found(request=Record(id="req_1", cost_nano_usd=12))
    *texts, last = await gather(desk, "ask", question="why?", model="local-llama")
    assert [item.text for item in texts] == ["Hel", "lo"]
    assert (last.request_id, last.target, last.cost_nano_usd, last.cache) == ("req_1", "t600/llama3.1:8b", 12, "miss")
    assert desk.bodies == [
        {"model": "local-llama", "messages": [{"role": "user", "content": "why?"}], "stream": True}
    ]


async def test_ask_where_the_ledger_knows_nothing_of_it(desk: FakeDesk) -> None:
    last = (await gather(desk, "ask", question="why?"))[-1]
    assert (last.target, last.cost_nano_usd) == ("", None)
    assert desk.bodies[0]["model"] == "auto"


async def test_ask_raises_the_requests_fault(desk: FakeDesk) -> None:
    desk.outcome = UpstreamFault(Code.UPSTREAM_CUT, "Cut.")
    with pytest.raises(UpstreamFault):
        await gather(desk, "ask", question="why?")
    with pytest.raises(CallerFault, match="empty"):
        await gather(desk, "ask", question=" \n")


# configuration


async def test_the_configuration_is_checked_shown_and_reloaded(desk: FakeDesk) -> None:
    assert await call(desk, "config.check") == samples.CONFIG_BAD
    assert await call(desk, "config.show") == samples.CONFIG_VALUES
    assert (await call(desk, "config.reload")).ok


async def test_a_value_is_set_and_taken_back(desk: FakeDesk) -> None:
    assert (await call(desk, "config.set", key="cache.ttl_s", value="30")).changed == ("cache.ttl_s=30",)
    assert (await call(desk, "config.unset", key="cache.ttl_s")).changed == ("cache.ttl_s=None",)


def test_alerts_of_budgets_come_from_the_ledger_and_the_others_from_their_module() -> None:
    told = AlertRow(at_ms=1, title="openai billed more", text="See reconcile show.", source="reconcile")
    budget = AlertRow(at_ms=1, title="a budget", source="budget")
    part = msgspec.to_builtins(AlertsPart(current=(told, budget), undelivered=2))
    assert [(problem.what, problem.advice) for problem in find_alerts(["The budget 'b' …"], part)] == [
        ("The budget 'b' …", ""),
        ("openai billed more", "See reconcile show."),
        ("Alerts that could not be delivered yet: 2.", "lodestarctl alerts says why."),
    ]
    assert list(find_alerts([], {"current": "of a version that we don't know"})) == []


# sessions


async def test_sessions_are_listed_and_shown_as_the_ledger_has_them(desk: FakeDesk) -> None:
    listed = await call(desk, "session.list")
    first, _second = listed.sessions
    assert (first.id, first.state, first.project, first.requests, first.switches) == (
        "aider-20251121-1200-000",
        "live",
        "lodestar",
        2,
        1,
    )
    assert (first.cost_nano_usd, first.saved_nano_usd, first.limit_ms) == (7, None, None)
    shown = await call(FakeDesk(make_runtime(with_baseline())), "session.show")
    assert (shown.session.saved_nano_usd, shown.tasks[0].name, shown.models[0].name) == (
        3,
        "edit",
        "t600/llama3.1:8b",
    )
    (switch,) = shown.switches
    assert (switch.from_target, switch.to_target, switch.request_id) == ("openai/gpt-4o", "t600/llama3.1:8b", "req_1")


@pytest.mark.parametrize(("ended_ms", "state"), [(None, "silent"), (NOW_MS, "ended")])
async def test_a_session_that_is_over_says_how(desk: FakeDesk, ended_ms: int | None, state: str) -> None:
    known = desk.sessions.known
    row = msgspec.structs.replace(known.row, ended_ms=ended_ms)
    desk.sessions.known = msgspec.structs.replace(known, row=row, live=False)
    assert (await call(desk, "session.show")).session.state == state


async def test_a_session_is_started_and_ended(desk: FakeDesk) -> None:
    started = await call(desk, "session.start", name=" refactor ", project="alpha", client="aider")
    assert (started.id, started.project, started.ended_ms) == ("refactor", "alpha", None)
    assert desk.sessions.started == [("refactor", Caller(project="alpha", client="aider"))]
    assert (await call(desk, "session.end")).ended_ms == NOW_MS
    with pytest.raises(CallerFault, match="nobody"):
        await call(desk, "session.end", id="nobody")


@pytest.mark.parametrize("name", ["x" * 65, "a\x1bb"])
async def test_a_name_must_be_fit_for_a_terminal(desk: FakeDesk, name: str) -> None:
    with pytest.raises(CallerFault, match="at most 64 printable") as refused:
        await call(desk, "session.start", name=name)
    assert refused.value.param == "name"


async def test_our_own_requests_say_where_they_come_from(desk: FakeDesk) -> None:
    await gather(desk, "ask", question="why?", folder="/home/ann/alpha")
    await gather(desk, "cache.warm", lines=['{"model": "local-llama"}'], folder="/home/ann/beta")
    assert desk.folders == ["/home/ann/alpha", "/home/ann/beta"]
