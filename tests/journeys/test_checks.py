"""Output checks: what its client could not use is asked for again, then of the next model, before anybody sees it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lodestard.simulator.answering.question import Answer as SimAnswer
from lodestard.simulator.answering.question import Call
from tests.fakes.world import CHAT, Answer, World, chat, open_world

OVERLAY = """
[models]
edit = { route = ["t600/llama3.1:8b", "openai/gpt-4o-mini"], checks = ["edits"] }
edit-local = { route = ["t600/llama3.1:8b"], checks = ["edits"] }
edit-paid = { route = ["openai/gpt-4o-mini"], checks = ["edits"] }
edit-flag = { route = ["t600/llama3.1:8b", "openai/gpt-4o-mini"], checks = ["edits"], hold = false }
edit-once = { route = ["t600/llama3.1:8b", "openai/gpt-4o-mini"], checks = ["edits"], retry = false }
edit-broken = { route = ["openai/gpt-4o-mini", "xai/grok-beta"], checks = ["edits"] }
unchecked = { route = ["openai/gpt-4o-mini"] }
typed = { route = ["t600/llama3.1:8b", "openai/gpt-4o-mini"], checks = ["tools", "schema"] }
"""
SYSTEM = "Act as an expert software developer. Describe each change with a *SEARCH/REPLACE block*."
FILES = "I have *added these files to the chat*\n\nhello.py\n```\nimport sys\nprint('a')\n```\n"
GOOD = "hello.py\n```python\n<<<<<<< SEARCH\nprint('a')\n=======\nprint('b')\n>>>>>>> REPLACE\n```\n"
BAD = "hello.py\n```python\n<<<<<<< SEARCH\nprint('zebra')\n=======\nprint('b')\n>>>>>>> REPLACE\n```\n"
LONG = BAD + "And so on, and so on.\n" * 200


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, OVERLAY) as opened:
        yield opened


async def ask_edit(world: World, alias: str, **members: Any) -> Answer:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": FILES + "Print b instead."}]
    return await world.request("POST", CHAT, {"model": alias, "messages": messages, **members})


async def outcomes(world: World, answer: Answer) -> list[tuple[str, str]]:
    told = await world.explain(answer)
    return [(attempt["target"].split("/")[0], attempt["outcome"]) for attempt in told.trace["attempts"]]


@pytest.mark.parametrize("stream", [False, True])
async def test_who_fails_twice_is_followed_by_the_next(world: World, stream: bool) -> None:
    world.ollama.say(BAD, BAD)
    world.openai.say(GOOD)
    answer = await ask_edit(world, "edit", stream=stream)
    assert (answer.status, answer.ended, answer.text) == (200, "whole", GOOD)
    assert (answer.lodestar["model"], answer.lodestar["attempts"]) == ("openai/gpt-4o-mini", "3")
    assert "check" not in answer.lodestar
    assert b"zebra" not in answer.body
    assert await outcomes(world, answer) == [("t600", "check_failed"), ("t600", "check_failed"), ("openai", "ok")]
    told = await world.explain(answer)
    assert [attempt.state for attempt in told.attempts] == ["unknown", "captured", "captured"]  # the first was cut
    assert [attempt.cost_nano_usd for attempt in told.attempts] == [0, 0, world.openai.bill_nano_usd]
    assert told.request.cost_nano_usd == world.openai.bill_nano_usd > 0
    first = told.trace["attempts"][0]
    assert first["check"] == "edits: the SEARCH text of block 1 is not in the file it names"
    assert "zebra" not in str(told.trace)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_second_try_may_do(world: World, stream: bool) -> None:
    world.ollama.say(BAD, GOOD)
    answer = await ask_edit(world, "edit", stream=stream)
    assert (answer.text, answer.lodestar["model"]) == (GOOD, "t600/llama3.1:8b")
    assert world.openai.asked == 0
    assert await outcomes(world, answer) == [("t600", "check_failed"), ("t600", "ok")]


@pytest.mark.parametrize("stream", [False, True])
async def test_paid_attempts_are_paid_for_and_the_last_answer_goes_out_as_it_is(world: World, stream: bool) -> None:
    world.openai.say(BAD, LONG)
    answer = await ask_edit(world, "edit-paid", stream=stream)
    assert (answer.status, answer.ended, answer.text) == (200, "whole", LONG)
    assert answer.lodestar["check"] == "failed edits"
    told = await world.explain(answer)
    assert [attempt.state for attempt in told.attempts] == ["captured", "captured"]
    assert told.request.cost_nano_usd == world.openai.bill_nano_usd
    assert all(attempt.cost_nano_usd > 0 for attempt in told.attempts)
    assert answer.usage is None or answer.usage["completion_tokens"] > 100
    assert not stream or answer.events[-1] == "[DONE]"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_failed_is_better_than_the_next_ones_error(world: World, stream: bool) -> None:
    world.openai.say(BAD, BAD)
    world.xai.fail("status=500")
    answer = await ask_edit(world, "edit-broken", stream=stream)
    assert (answer.status, answer.text) == (200, BAD)
    assert (answer.lodestar["model"], answer.lodestar["check"]) == ("openai/gpt-4o-mini", "failed edits")
    row = (await world.rows())[0]
    assert (row.outcome, row.status, row.model) == ("ok", 200, "gpt-4o-mini")
    assert row.cost_nano_usd == world.openai.bill_nano_usd


@pytest.mark.parametrize("stream", [False, True])
async def test_without_a_second_try_the_next_is_asked_at_once(world: World, stream: bool) -> None:
    world.ollama.say(BAD)
    world.openai.say(GOOD)
    answer = await ask_edit(world, "edit-once", stream=stream)
    assert answer.text == GOOD
    assert await outcomes(world, answer) == [("t600", "check_failed"), ("openai", "ok")]


async def test_a_stream_that_is_not_held_is_flagged_in_the_trace(world: World) -> None:
    world.ollama.say(BAD)
    answer = await ask_edit(world, "edit-flag", stream=True)
    assert (answer.text, answer.ended, answer.lodestar["attempts"]) == (BAD, "whole", "1")
    told = await world.explain(answer)
    assert told.trace["attempts"][0]["outcome"] == "ok"
    assert told.trace["attempts"][0]["check"].startswith("edits: the SEARCH text of block 1")
    world.ollama.say(BAD, GOOD)  # a plain answer is released when it is whole: nothing is lost by checking it first
    assert (await ask_edit(world, "edit-flag")).text == GOOD


async def test_a_free_models_first_try_is_cut_as_soon_as_it_has_failed(world: World) -> None:
    world.ollama.say(LONG, GOOD)
    asked: list[object] = []

    def is_first(request: object) -> bool:
        asked.append(request)
        return len(asked) == 1

    with world.ollama.held(after=20, what=is_first):
        async with world.open() as talk:
            messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": FILES}]
            await talk.send("POST", CHAT, {"model": "edit-local", "messages": messages})
            answer = await talk.receive()  # which never came, were the rest of the first one waited for
    assert answer.text == GOOD
    assert await outcomes(world, answer) == [("t600", "check_failed"), ("t600", "ok")]


async def test_a_failed_answer_is_not_kept_and_a_good_one_is(world: World) -> None:
    world.openai.say(BAD, BAD, GOOD)
    failed = await ask_edit(world, "edit-paid", temperature=0)
    assert (failed.lodestar["cache"], failed.lodestar["check"]) == ("miss", "failed edits")
    good = await ask_edit(world, "edit-paid", temperature=0)
    assert (good.lodestar["cache"], good.text) == ("miss", GOOD)
    hit = await ask_edit(world, "edit-paid", temperature=0, stream=True)
    assert (hit.lodestar["cache"], hit.text) == ("hit", GOOD)
    assert world.openai.asked == 3


async def test_another_aliass_kept_answer_is_checked_too(world: World) -> None:
    world.openai.say(BAD, GOOD)
    assert (await ask_edit(world, "unchecked", temperature=0)).text == BAD
    assert (await ask_edit(world, "unchecked", temperature=0)).lodestar["cache"] == "hit"
    assert (await ask_edit(world, "edit-paid", temperature=0)).text == GOOD


async def test_a_client_may_leave_a_held_stream(world: World) -> None:
    world.ollama.say(GOOD)
    with world.ollama.held(after=5):
        async with world.open() as talk:
            messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": FILES}]
            await talk.send("POST", CHAT, {"model": "edit-local", "messages": messages, "stream": True})
            await world.ollama.wait_held()
            await talk.leave()
            await world.ollama.wait_left()
    row = await world.row()
    assert (row.outcome, row.cost_nano_usd) == ("client_left", 0)


async def test_a_held_stream_keeps_its_client_waiting_with_comments(tmp_path: Path) -> None:
    overlay = OVERLAY + "\n[server]\nearly_head_s = 0.02\nkeep_alive_comment_s = 0.02\n"
    async with open_world(tmp_path, overlay) as world:
        world.ollama.say(GOOD)
        with world.ollama.held(after=5):
            async with world.open() as talk:
                messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": FILES}]
                await talk.send("POST", CHAT, {"model": "edit-local", "messages": messages, "stream": True})
                begun = await talk.receive_until(b":")
                assert b"hello.py" not in begun.body
                world.ollama.app.gate.set()  # type: ignore[union-attr]
                answer = await talk.receive()
        assert (answer.text, answer.events[-1]) == (GOOD, "[DONE]")


TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def arguments_of(answer: Answer) -> str:
    """The arguments of the first call, plain or streamed."""
    if not answer.is_stream:
        return str(answer.json["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
    deltas = [choice["delta"] for chunk in answer.chunks for choice in chunk["choices"]]
    calls = [call for delta in deltas for call in delta.get("tool_calls") or ()]
    return "".join(call["function"].get("arguments") or "" for call in calls)


@pytest.mark.parametrize("stream", [False, True])
async def test_calls_are_checked_against_their_tools(world: World, stream: bool) -> None:
    world.ollama.say(SimAnswer(calls=(Call("weather", {"town": 1}),)), SimAnswer(calls=(Call("wether", {}),)))
    world.openai.say(SimAnswer(calls=(Call("weather", {"city": "Oslo"}),)))
    answer = await world.request("POST", CHAT, chat("typed", tools=[TOOL], stream=stream))
    assert answer.lodestar["attempts"] == "3"
    assert arguments_of(answer) == '{"city":"Oslo"}'
    told = await world.explain(answer)
    assert [attempt.get("check", "") for attempt in told.trace["attempts"]] == [
        "tools: call 1: 1 required properties are missing",
        "tools: it calls a tool that was not offered",
        "",
    ]


async def test_answers_are_checked_against_their_schema(world: World) -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    world.ollama.say('{"age": "four"}', '{"age": 4}')
    answer = await world.request("POST", CHAT, chat("typed", response_format=form))
    assert (answer.text, answer.lodestar["attempts"]) == ('{"age": 4}', "2")
    told = await world.explain(answer)
    assert told.trace["attempts"][0]["check"] == "schema: a value is not of the type integer"
