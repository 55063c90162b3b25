"""The verbs that ask the router: what they want of the desk, and what they refuse."""

from typing import Any

import msgspec
import pytest

from lodestard.control.arguments import read_arguments
from lodestard.control.messages.advice import BacktestItem
from lodestard.control.verbs import core_verbs
from lodestard.control.verbs.advice_desk import WantedRoute
from lodestard.control.verbs.requests import explanation
from lodestard.domain.errors import CallerFault
from lodestard.domain.routing_settings import Routing
from tests.fakes import advice_desk as fakes
from tests.fakes.control_desk import NOW_MS, SETTINGS, FakeDesk, Found, Record, make_runtime

DAY_MS = 86_400_000


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk(make_runtime(SETTINGS))


async def call(desk: FakeDesk, verb_name: str, /, **arguments: Any) -> Any:
    verb = core_verbs(desk)[verb_name]
    taken = read_arguments(verb, msgspec.json.encode(arguments))
    if verb.answer is not None:
        return await verb.answer(taken)
    items: list[object] = []

    async def emit(item: object) -> None:
        items.append(item)

    assert verb.stream is not None
    await verb.stream(taken, emit)
    return items


async def test_everything_that_is_said_of_a_request_reaches_the_router(desk: FakeDesk) -> None:
    said = {"prefer": "cheap", "tags": "a,b", "client": "aider", "task": "edit", "project": "p", "user": "u"}
    found = await call(
        desk, "route.explain", text="why?", model="auto", tokens=9, images=True, tools=True, session="s", **said
    )
    assert found == fakes.ADVICE
    (wanted,) = desk.advice.wanted
    assert wanted == WantedRoute(
        text="why?", model="auto", prompt_tokens=9, images=True, tools=True, session="s", **said
    )


async def test_a_recommendation_asks_for_no_alias(desk: FakeDesk) -> None:
    assert await call(desk, "recommend", body="{}", dialect="anthropic") == fakes.RECOMMENDED
    assert desk.advice.wanted == [WantedRoute(body="{}", dialect="anthropic")]
    with pytest.raises(CallerFault, match="no argument 'model'"):
        await call(desk, "recommend", text="x", model="auto")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"text": "x", "tokens": -1}, "negative"),
        ({"text": "x", "body": "{}"}, "not both"),
        ({"body": "{}", "images": True}, "says itself"),
        ({"body": "{}", "tools": True}, "says itself"),
        ({"text": "x", "prefer": "dear"}, "one of cheap"),
        ({"text": "x", "dialect": "latin"}, "one of openai"),
    ],
)
async def test_what_is_no_request_is_refused(desk: FakeDesk, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(CallerFault, match=words):
        await call(desk, "route.explain", **arguments)
    assert desk.advice.wanted == []


async def test_a_backtest_is_passed_on_item_by_item(desk: FakeDesk) -> None:
    desk.advice.items = (BacktestItem(total=3), BacktestItem(done=3, total=3))
    assert await call(desk, "route.backtest", config="x = 1", name="new.toml", since="7d") == list(desk.advice.items)
    (wanted,) = desk.advice.backtests
    assert (wanted.text, wanted.name, wanted.since_ms) == ("x = 1", "new.toml", NOW_MS - 7 * DAY_MS)
    assert wanted.until_ms > NOW_MS
    with pytest.raises(CallerFault, match="config is missing"):
        await call(desk, "route.backtest")
    with pytest.raises(CallerFault, match="no time"):
        await call(desk, "route.backtest", config="", since="soon")


async def test_the_shadow_is_summed(desk: FakeDesk) -> None:
    shadowed = msgspec.structs.replace(SETTINGS, routing=Routing(shadow="new.toml"))
    desk = FakeDesk(make_runtime(shadowed))
    report = await call(desk, "route.shadow", since="1d")
    assert desk.advice.since_ms == NOW_MS - DAY_MS
    assert (report.file, report.looked_at, report.differs) == ("new.toml", 10, 3)
    assert (report.cost_nano_usd, report.shadow_cost_nano_usd) == (3_000_000, 180_000)
    assert [(move.source, move.target, move.requests) for move in report.moves] == [
        ("openai/gpt-4o", "openai/gpt-4o-mini", 3)
    ]


@pytest.mark.parametrize("name", ["route.explain", "recommend", "route.backtest", "route.shadow"])
def test_asking_the_router_changes_nothing_so_a_reader_may(desk: FakeDesk, name: str) -> None:
    assert core_verbs(desk)[name].needs == "read"


def test_what_was_weighed_is_told_of_a_past_request() -> None:
    merit = {"quality": 0.9, "cost_nano_usd": 5, "wait_s": 1.5, "value_nano_usd": 7, "seen": 3.0}
    trace = {
        "reason": "auto: easy edit",
        "task": {"kind": "edit", "hardness": 0.2, "sure": 0.9, "why": "one file"},
        "prefer": "cheap",
        "rules": ["mine"],
        "labels": ["lan-only"],
        "candidates": [{"target": "t600/a", "free": True, "up": True, "merit": merit}, {"target": "t600/b"}],
        "shadow": {"target": "openai/b", "differs": True, "cost_nano_usd": 9, "reason": "alias auto"},
    }
    told = explanation(Found(request=Record(id="req_1"), trace=trace))
    assert told.task is not None
    assert (told.task.kind, told.task.why, told.prefer) == ("edit", "one file", "cheap")
    assert (told.rules, told.labels) == (("mine",), ("lan-only",))
    first, second = told.candidates
    assert first.merit is not None
    assert (first.merit.quality, first.merit.value_nano_usd, second.merit) == (0.9, 7, None)
    assert told.shadow is not None
    assert (told.shadow.target, told.shadow.differs) == ("openai/b", True)


def test_a_trace_of_another_version_is_no_fault() -> None:
    trace = {"task": "edit", "shadow": 3, "candidates": [{"target": "t600/a", "merit": [1]}], "rules": "mine"}
    told = explanation(Found(request=Record(id="req_1"), trace=trace))
    assert (told.task, told.shadow, told.rules, told.candidates[0].merit) == (None, None, (), None)
