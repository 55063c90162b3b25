"""Upstreams that fail: breakers, what leads on to the next model, backoff, deadlines, hedges and balance.

The clock runs as the real one does, and jumps where a test says so.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from lodestard.control.messages import UpstreamStatus
from lodestard.control.verbs.desk import HouseState
from lodestard.control.verbs.house import find_problems, of_breakers
from lodestard.control.verbs.models import list_models
from lodestard.domain.upstream import Target
from lodestard.simulator.answering.question import Answer as SimAnswer
from tests.fakes.world import CHAT, Answer, World, chat, eventually, open_world

CHAIN = "paid-first"  # openai/gpt-4o-mini, then xai/grok-beta
MINI, GROK, LLAMA = "openai/gpt-4o-mini", "xai/grok-beta", "t600/llama3.1:8b"
RULES = "[breaker]\nfailures = 3\nopen_s = 1000\nmost_open_s = 3000\n"


@pytest.fixture
def clock(mock_clock: MockClock) -> MockClock:
    mock_clock.rate = 1.0
    return mock_clock


@asynccontextmanager
async def house(folder: Path, caplog: pytest.LogCaptureFixture, overlay: str) -> AsyncIterator[World]:
    """A house that logs no defect."""
    caplog.set_level(logging.INFO)
    async with open_world(folder, overlay) as world:
        yield world
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


async def ask_often(world: World, alias: str, times: int) -> list[str]:
    """Who answered, each time."""
    return [(await world.ask(alias, f"question {number}")).lodestar["model"] for number in range(times)]


async def outcomes(world: World, answer: Answer) -> list[tuple[str, str]]:
    """Who was asked, and what came of it."""
    told = await world.explain(answer)
    return [(attempt["target"], attempt["outcome"]) for attempt in told.trace["attempts"]]


def transitions(caplog: pytest.LogCaptureFixture) -> list[str]:
    told = [record.getMessage() for record in caplog.records if record.name == "lodestard.breakers"]
    return [text.removeprefix("breaker of ") for text in told]


# -- breakers ------------------------------------------------------------------------------------------------------


async def test_closed_open_half_open_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    async with house(tmp_path, caplog, RULES) as world:
        world.openai.fail("status=500", "status=500", "status=500")
        assert await ask_often(world, CHAIN, 3) == [GROK] * 3
        assert world.openai.asked == 3

        passed = await world.ask(CHAIN, "while open")
        assert passed.lodestar["reason"] == f"alias {CHAIN}; {MINI} passed over (breaker open)"
        told = await world.explain(passed)
        assert [one.get("passed_over") for one in told.trace["candidates"]] == [None, "breaker open"]
        assert await outcomes(world, passed) == [(GROK, "ok")]
        assert world.openai.asked == 3

        clock.jump(1000)
        with world.openai.held():
            async with world.open() as first:
                await first.send("POST", CHAT, chat(CHAIN, "the one that tries"))
                await world.openai.wait_asked(4)
                other = await world.ask(CHAIN, "meanwhile")
                assert other.lodestar["reason"] == f"alias {CHAIN}; {MINI} passed over (breaker half-open)"
                assert world.openai.asked == 4
                world.openai.app.gate.set()  # type: ignore[union-attr]
                assert (await first.receive()).lodestar["model"] == MINI
        assert await ask_often(world, CHAIN, 1) == [MINI]
        assert transitions(caplog) == [
            f"{MINI}: closed -> open for 1e+03 s: upstream_error, status 500",
            f"{MINI}: open -> half_open: it was left alone long enough",
            f"{MINI}: half_open -> closed: it answers",
        ]


async def test_who_fails_on_trial_is_left_alone_for_twice_as_long(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    async with house(tmp_path, caplog, RULES) as world:
        world.openai.fail(*["status=500"] * 4)
        await ask_often(world, CHAIN, 3)
        clock.jump(1000)
        answer = await world.ask(CHAIN, "on trial")
        assert await outcomes(world, answer) == [(MINI, "upstream_error"), (GROK, "ok")]
        clock.jump(1500)
        assert await ask_often(world, CHAIN, 1) == [GROK]
        clock.jump(500)
        assert await ask_often(world, CHAIN, 1) == [MINI]
        assert [line.partition(": ")[2].partition(":")[0] for line in transitions(caplog)] == [
            "closed -> open for 1e+03 s",
            "open -> half_open",
            "half_open -> open for 2e+03 s",
            "open -> half_open",
            "half_open -> closed",
        ]


async def test_a_request_that_can_be_answered_is_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    async with house(tmp_path, caplog, RULES) as world:
        world.openai.fail(*["status=500"] * 3)
        for number in range(3):
            assert (await world.ask("gpt-4o-mini", f"{number}")).status == 502
        world.xai.fail("status=500")
        answer = await world.ask(CHAIN)  # its breaker is open, and the other one fails
        assert answer.lodestar["model"] == MINI
        assert await outcomes(world, answer) == [(GROK, "upstream_error"), (MINI, "ok")]
        assert transitions(caplog)[-1] == f"{MINI}: open -> closed: it answers"


async def test_another_model_of_the_same_upstream_is_asked_as_ever(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    async with house(tmp_path, caplog, RULES) as world:
        world.openai.fail(*["status=500"] * 3)
        await ask_often(world, CHAIN, 3)
        assert (await world.ask("gpt-4o")).lodestar["reason"] == "asked for by name"


async def test_a_refused_key_keeps_the_whole_upstream_back_until_a_reload(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    async with house(tmp_path, caplog, RULES) as world:
        world.openai.fail("status=401")
        answers = await ask_often(world, CHAIN, 2)
        assert answers == [GROK, GROK]
        assert world.openai.asked == 1
        assert transitions(caplog) == ["openai: closed -> open for 3e+03 s: upstream_auth, status 401"]
        await world.house.reload()
        assert await ask_often(world, CHAIN, 1) == [MINI]


async def test_who_is_not_there_is_passed_over_for_all_that_it_has(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    async with house(tmp_path, caplog, RULES) as world:
        attempts = [(await world.ask("gone-first", f"{number}")).lodestar["attempts"] for number in range(4)]
        assert attempts == ["2", "2", "2", "1"]
        assert transitions(caplog) == ["gone: closed -> open for 1e+03 s: upstream_unreachable"]


# -- what leads on -------------------------------------------------------------------------------------------------


def fallback(text: str, **members: str) -> str:
    rest = "".join(f"{name} = {value}\n" for name, value in members.items())
    return f"[models.{CHAIN}]\n{rest}[models.{CHAIN}.fallback]\n{text}\n"


@pytest.mark.parametrize(
    ("fault", "condition"),
    [("status=500", "error"), ("status=429", "rate_limit"), ("close", "error"), ("status=400", "error")],
)
async def test_the_trace_says_what_led_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock, fault: str, condition: str
) -> None:
    async with house(tmp_path, caplog, "") as world:
        world.openai.fail(fault)
        told = await world.explain(await world.ask(CHAIN))
        assert [attempt.get("fallback") for attempt in told.trace["attempts"]] == [condition, None]


@pytest.mark.parametrize(
    ("fault", "on", "status"),
    [("status=500", ["rate_limit"], 502), ("status=429", ["error"], 429), ("status=429", ["rate_limit"], 200)],
)
async def test_what_its_alias_does_not_name_does_not_lead_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock, fault: str, on: list[str], status: int
) -> None:
    async with house(tmp_path, caplog, fallback(f"on = {on}")) as world:
        world.openai.fail(fault)
        assert (await world.ask(CHAIN)).status == status
        assert world.xai.asked == (1 if status == 200 else 0)


async def test_an_empty_answer_is_asked_of_the_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    async with house(tmp_path, caplog, fallback('on = ["refusal"]')) as world:
        world.openai.say(SimAnswer(text=""))
        world.xai.say("An answer.")
        answer = await world.ask(CHAIN)
        assert (answer.text, answer.lodestar["model"]) == ("An answer.", GROK)
        told = await world.explain(answer)
        assert [attempt["outcome"] for attempt in told.trace["attempts"]] == ["answer_refused", "ok"]
        assert [attempt.state for attempt in told.attempts] == ["captured", "captured"]
        assert told.request.cost_nano_usd == world.openai.bill_nano_usd + world.xai.bill_nano_usd


async def test_a_refusal_is_the_answer_where_nobody_says_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    async with house(tmp_path, caplog, fallback('on = ["refusal", "error"]')) as world:
        world.openai.say(SimAnswer(text=""))
        world.xai.fail("status=500")
        answer = await world.ask(CHAIN, temperature=0)
        assert (answer.status, answer.lodestar["model"]) == (200, MINI)
        assert not answer.text
        assert (await world.ask(CHAIN, temperature=0)).lodestar["cache"] == "miss"


async def test_a_slow_first_token_goes_on_to_the_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    overlay = fallback('on = ["slow_first_token"]\nfirst_token_s = 100')
    async with house(tmp_path, caplog, overlay) as world, world.open() as talk:
        with world.openai.held():
            await talk.send("POST", CHAT, chat(CHAIN, stream=True))
            await world.openai.wait_asked()
            clock.jump(99)
            await trio.sleep(0.05)
            assert world.xai.asked == 0
            clock.jump(1)
            answer = await talk.receive()
        assert answer.ended == "whole"
        told = await world.explain(answer)
        assert await outcomes(world, answer) == [(MINI, "slow_first_token"), (GROK, "ok")]
        assert [attempt.state for attempt in told.attempts] == ["unknown", "captured"]


async def test_whoever_is_left_alone_may_be_as_slow_as_it_likes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    overlay = fallback('on = ["slow_first_token"]\nfirst_token_s = 30', route=f'["{MINI}"]')
    async with house(tmp_path, caplog, overlay) as world, world.open() as talk:
        with world.openai.held():
            await talk.send("POST", CHAT, chat(CHAIN, stream=True))
            await world.openai.wait_asked()
            clock.jump(60)
            await trio.sleep(0.05)
        assert (await talk.receive()).ended == "whole"


# -- backoff, deadlines --------------------------------------------------------------------------------------------


async def test_who_takes_no_more_now_is_asked_again_when_it_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    overlay = fallback("retries = 2", route=f'["{MINI}"]', deadline_s="5000")
    async with house(tmp_path, caplog, overlay) as world, world.open() as talk:
        world.openai.fail("status=429;retry-after=1000", "status=503")
        await talk.send("POST", CHAT, chat(CHAIN))
        knows = world.house.runtime.allowances.knows
        await eventually(lambda: knows(Target.parse(MINI)), "a refusal that is heeded")
        clock.jump(999)
        await trio.sleep(0.05)
        assert world.openai.asked == 1
        clock.jump(60)
        answer = await talk.receive()
        assert answer.status == 200
        told = await world.explain(answer)
        assert [attempt["outcome"] for attempt in told.trace["attempts"]] == [
            "upstream_rate_limited",
            "upstream_error",
            "ok",
        ]
        assert [attempt.get("fallback") for attempt in told.trace["attempts"]] == ["rate_limit", "error", None]
        assert [attempt.state for attempt in told.attempts] == ["released", "released", "captured"]
        assert told.request.cost_nano_usd == world.openai.bill_nano_usd


async def test_nobody_waits_where_another_one_is_ready(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    async with house(tmp_path, caplog, fallback("retries = 2")) as world:
        world.openai.fail("status=429;retry-after=1000")
        answer = await world.ask(CHAIN)
        assert await outcomes(world, answer) == [(MINI, "upstream_rate_limited"), (GROK, "ok")]


async def test_nobody_waits_beyond_the_deadline(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    overlay = fallback("retries = 2", route=f'["{MINI}"]', deadline_s="900")
    async with house(tmp_path, caplog, overlay) as world:
        world.openai.fail("status=429;retry-after=1000")
        answer = await world.ask(CHAIN)
        assert (answer.status, answer.headers["retry-after"]) == (429, "1000")
        assert answer.lodestar["attempts"] == "1"


async def test_what_was_billed_is_not_asked_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    async with house(tmp_path, caplog, fallback("retries = 2", route=f'["{MINI}"]')) as world:
        world.openai.fail("cut=10")
        assert (await world.ask(CHAIN)).lodestar["attempts"] == "1"


@pytest.mark.parametrize("deadline", ["header", "alias"])
@pytest.mark.parametrize("alias", [CHAIN, "local-llama"])
async def test_a_deadline_that_passes_is_a_504(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock, deadline: str, alias: str
) -> None:
    overlay = f"[models.{alias}]\ndeadline_s = 30\n" if deadline == "alias" else ""
    headers = {"x-lodestar-deadline-s": "30"} if deadline == "header" else {}
    async with house(tmp_path, caplog, overlay) as world, world.open() as talk:
        upstream = world.ollama if alias == "local-llama" else world.openai
        with upstream.held():
            await talk.send("POST", CHAT, chat(alias), headers)
            await upstream.wait_asked()
            clock.jump(30)
            answer = await talk.receive()
        assert (answer.status, answer.error["code"]) == (504, "deadline_exceeded")
        assert [outcome for _, outcome in await outcomes(world, answer)] == ["deadline_exceeded"]
        assert world.xai.asked == 0


async def test_a_stream_that_has_begun_has_no_deadline(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    async with house(tmp_path, caplog, "") as world, world.open() as talk:
        with world.openai.held(after=6):
            await talk.send("POST", CHAT, chat(CHAIN, stream=True), {"x-lodestar-deadline-s": "30"})
            await talk.receive_until(b"data: ")
            await world.openai.wait_held()
            clock.jump(40)
            await trio.sleep(0.05)
        assert (await talk.receive()).ended == "whole"


@pytest.mark.parametrize("text", ["soon", "-1", "0", "nan", "1e9"])
async def test_a_deadline_that_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock, text: str
) -> None:
    async with house(tmp_path, caplog, "") as world:
        answer = await world.ask(CHAIN, headers={"x-lodestar-deadline-s": text})
        assert (answer.status, answer.error["code"]) == (400, "invalid_request")


async def test_a_deadline_that_is_none_joins_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    key = {"idempotency-key": "one-and-the-same"}
    async with house(tmp_path, caplog, '[upstreams.openai]\non_client_leave = "cancel"\n') as world:
        with world.openai.held():
            async with world.open() as talk:
                await talk.send("POST", CHAT, chat(CHAIN), key)
                await world.openai.wait_asked()
                answer = await world.ask(CHAIN, headers={**key, "x-lodestar-deadline-s": "soon"})
                assert (answer.status, answer.error["code"]) == (400, "invalid_request")
            await world.openai.wait_left()  # nobody waits for it any more
        assert [row.outcome for row in await world.rows()] == ["client_left", "invalid_request"]


# -- hedges --------------------------------------------------------------------------------------------------------

HEDGED = 'hedge = "paid"\nhedge_after_s = 100'


@pytest.mark.parametrize("stream", [False, True])
async def test_the_next_one_is_started_beside_a_silent_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock, stream: bool
) -> None:
    async with house(tmp_path, caplog, fallback(HEDGED)) as world, world.open() as talk:
        world.xai.say("The second one answers.")
        with world.openai.held():
            await talk.send("POST", CHAT, chat(CHAIN, stream=stream))
            await world.openai.wait_asked()
            clock.jump(100)
            answer = await talk.receive()
        assert (answer.ended, answer.text) == ("whole", "The second one answers.")
        await world.settle()
        told = await world.explain(answer)
        assert await outcomes(world, answer) == [(MINI, "hedge_lost"), (GROK, "ok")]
        assert [attempt.get("hedge") for attempt in told.trace["attempts"]] == [None, True]
        first, second = told.attempts
        assert (first.state, second.state) == ("unknown", "captured")
        assert first.cost_nano_usd == first.held_nano_usd
        assert second.cost_nano_usd == world.xai.bill_nano_usd


@pytest.mark.parametrize("stream", [False, True])
async def test_the_first_one_may_still_win(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock, stream: bool
) -> None:
    async with house(tmp_path, caplog, fallback(HEDGED)) as world, world.open() as talk:
        with world.xai.held():
            with world.openai.held():
                await talk.send("POST", CHAT, chat(CHAIN, stream=stream))
                await world.openai.wait_asked()
                clock.jump(100)
                await world.xai.wait_asked()
            answer = await talk.receive()
        assert answer.ended == "whole"
        await world.settle()
        assert await outcomes(world, answer) == [(MINI, "ok"), (GROK, "hedge_lost")]
        if not stream:
            assert answer.lodestar["model"] == MINI


async def test_who_answers_in_time_has_nobody_beside_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    async with house(tmp_path, caplog, fallback(HEDGED)) as world:
        assert (await world.ask(CHAIN)).lodestar["attempts"] == "1"
        world.openai.fail("status=500")
        answer = await world.ask(CHAIN, "again")
        told = await world.explain(answer)
        assert [attempt.get("hedge") for attempt in told.trace["attempts"]] == [None, None]


async def test_nobody_is_paid_beside_where_only_free_ones_shall_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    overlay = fallback('hedge = "free"\nhedge_after_s = 100', route=f'["{MINI}", "{GROK}", "{LLAMA}"]')
    async with house(tmp_path, caplog, overlay) as world, world.open() as talk:
        with world.openai.held():
            await talk.send("POST", CHAT, chat(CHAIN))
            await world.openai.wait_asked()
            clock.jump(100)
            answer = await talk.receive()
        await world.settle()
        assert await outcomes(world, answer) == [(MINI, "hedge_lost"), (LLAMA, "ok")]


async def test_nobody_outside_is_asked_beside_where_a_request_is_lan_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    rule = '[[rules]]\nname = "private"\nwhen = { tag = ["private"] }\nlabels = ["lan-only"]\n'
    overlay = fallback(HEDGED, route=f'["{LLAMA}", "{MINI}"]') + rule + "[upstreams.openai]\nlan = false\n"
    async with house(tmp_path, caplog, overlay) as world, world.open() as talk:
        with world.ollama.held():
            await talk.send("POST", CHAT, chat(CHAIN), {"x-lodestar-tags": "private"})
            await world.ollama.wait_questions()
            clock.jump(100)
            await trio.sleep(0.1)
            assert world.openai.asked == 0
        answer = await talk.receive()
        assert await outcomes(world, answer) == [(LLAMA, "ok")]


async def test_a_budget_that_has_no_room_for_both_has_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    budget = '[budgets.grok]\nscope = "model"\nof = "xai/grok-beta"\nusd = 0.0000001\nat_limit = "refuse"\n'
    async with house(tmp_path, caplog, fallback(HEDGED) + budget) as world, world.open() as talk:
        with world.openai.held():
            await talk.send("POST", CHAT, chat(CHAIN))
            await world.openai.wait_asked()
            caplog.set_level(logging.DEBUG, "lodestard.ledger")
            clock.jump(100)
            await eventually(lambda: "has no room" in caplog.text, "a refused hold")
        answer = await talk.receive()
        assert (answer.status, answer.lodestar["model"], world.xai.asked) == (200, MINI, 0)
        assert [outcome for _, outcome in await outcomes(world, answer)] == ["ok", "budget_refused"]


async def test_two_fail_and_the_third_is_asked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    overlay = fallback(HEDGED, route=f'["{MINI}", "{GROK}", "{LLAMA}"]')
    async with house(tmp_path, caplog, overlay) as world, world.open() as talk:
        world.xai.fail("status=500")
        world.openai.fail("slow=0.5;status=500")
        with world.openai.held():
            await talk.send("POST", CHAT, chat(CHAIN))
            await world.openai.wait_asked()
            clock.jump(100)
            await world.xai.wait_asked()
        answer = await talk.receive()
        assert answer.lodestar["model"] == LLAMA
        assert sorted(outcome for _, outcome in await outcomes(world, answer)) == ["ok"] + ["upstream_error"] * 2


async def test_a_client_that_leaves_ends_both(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    overlay = fallback(HEDGED) + '[upstreams.openai]\non_client_leave = "cancel"\n'
    overlay += '[upstreams.xai]\non_client_leave = "cancel"\n'
    async with house(tmp_path, caplog, overlay) as world:
        with world.openai.held(), world.xai.held():
            async with world.open() as talk:
                await talk.send("POST", CHAT, chat(CHAIN))
                await world.openai.wait_asked()
                clock.jump(100)
                await world.xai.wait_asked()
            await world.openai.wait_left()
            await world.xai.wait_left()
        row = await world.row()
        assert (row.outcome, row.unknown_nano_usd) == ("client_left", row.cost_nano_usd)
        told = await world.explain(row.id)
        assert [attempt.state for attempt in told.attempts] == ["unknown", "unknown"]


# -- balance -------------------------------------------------------------------------------------------------------


async def test_of_equals_the_least_busy_is_asked_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    overlay = fallback("", balance=f'["{MINI}", "{GROK}"]')
    async with house(tmp_path, caplog, overlay) as world, world.open() as busy:
        with world.openai.held():
            await busy.send("POST", CHAT, chat(CHAIN, "one"))
            await world.openai.wait_asked()
            answer = await world.ask(CHAIN, "two")
            assert answer.lodestar["model"] == GROK
            assert answer.lodestar["reason"] == f"alias {CHAIN}; least busy: {GROK}"
            clock.jump(50)
        assert (await busy.receive()).lodestar["model"] == MINI
        # Both are idle now, and the first one has been slow.
        assert (await world.ask(CHAIN, "three")).lodestar["model"] == GROK


# -- what people see -----------------------------------------------------------------------------------------------


async def test_breakers_are_seen_in_status_models_and_metrics(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock
) -> None:
    async with house(tmp_path, caplog, RULES) as world:
        world.openai.fail(*["status=500"] * 3)
        await ask_often(world, CHAIN, 3)
        runtime: Any = world.house.runtime
        rows = {row.alias: row for row in list_models(runtime, {}).models}
        assert [target.breaker for target in rows[CHAIN].targets] == ["open", "closed"]
        seen = of_breakers(UpstreamStatus(name="openai"), tuple(runtime.breakers.views()))
        assert (seen.breaker, seen.broken) == ("closed", (f"{MINI} open: upstream_error, status 500",))


@pytest.mark.parametrize(("state", "said"), [("up", ["The breaker of gone is open."]), ("down", [])])
async def test_a_breaker_that_is_open_is_a_problem_whatever_else_is_said_of_its_upstream(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: MockClock, state: Any, said: list[str]
) -> None:
    async with house(tmp_path, caplog, RULES) as world:
        await ask_often(world, "gone-first", 3)
        runtime: Any = world.house.runtime
        status = UpstreamStatus(name="gone", state=state, detail="its key is missing")
        problems = find_problems(
            runtime, HouseState(state="ready"), [of_breakers(status, tuple(runtime.breakers.views()))]
        )
        assert [problem.what for problem in problems if "breaker" in problem.what] == said
