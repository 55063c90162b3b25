"""Whoever asks a local model, with residency on: waits, is told so, falls back, and pays what it costs."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from lodestard.domain.residency import HostState
from lodestard.domain.upstream import Target
from lodestard.residency.room import Residency
from tests.fakes.world import CHAT, Answer, World, chat, eventually, is_load, open_world

LLAMA, CODER = "llama3.1:8b", "deepseek-coder:6.7b"
ON = """
[residency]
enabled = true

[server]
early_head_s = 0.3
keep_alive_comment_s = 0.1

[upstreams.t600]
concurrency = 1

[models]
missing-first = { route = ["t600/mixtral:8x7b", "openai/gpt-4o-mini"] }
free-later = { route = ["t600/llama3.1:8b", "openai/gpt-4o-mini", "gone/llama3.1:8b", "openai/gpt-4o"] }
"""
TOO_LONG = "plain words of prose go on " * 700
AUTO = "auto"  # t600/llama3.1:8b, then openai/gpt-4o-mini


@pytest.fixture
async def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[World]:
    """A house that owns its card."""
    async with open_world(tmp_path, ON) as opened:
        await eventually(lambda: state(opened).reachable, "the first look")
        yield opened
        await eventually(lambda: state(opened).step in ("idle", "paused", "unreachable"), "an idle card")
        assert state(opened).places == ()
    assert not [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def room(world: World) -> Residency:
    residency = world.house.foundation.residency
    assert residency is not None
    return residency


def state(world: World) -> HostState:
    return room(world).state("t600")


def resident(world: World) -> set[str]:
    return {model.model for model in state(world).models if model.resident}


def comments(answer: Answer) -> int:
    return sum(line.startswith(b":") for line in answer.body.splitlines())


def reasoning(answer: Answer) -> list[str]:
    """What was told as reasoning, chunk by chunk."""
    deltas = [choice["delta"] for chunk in answer.chunks for choice in chunk.get("choices", ())]
    return [delta["reasoning_content"] for delta in deltas if delta.get("reasoning_content")]


def attempts(told: Any) -> list[dict[str, Any]]:
    return list(told.trace["attempts"])


# -- what is told --------------------------------------------------------------------------------------------------


async def test_explain_says_how_a_request_came_to_its_place(world: World) -> None:
    with world.ollama.held(what=is_load):
        async with world.open() as talk:
            await talk.send("POST", CHAT, chat("local-llama"))
            await eventually(lambda: state(world).step == "loading", "the load")
            await trio.sleep(0.5)
            world.ollama.app.gate.set()  # type: ignore[union-attr]
            answer = await talk.receive()
    assert answer.status == 200
    assert answer.lodestar["model"] == f"t600/{LLAMA}"
    assert answer.lodestar["attempts"] == "1"
    assert float(answer.lodestar["cost-usd"]) == 0
    assert float(answer.lodestar["overhead-ms"]) < 400  # what it waited for the card is none of ours
    (attempt,) = attempts(await world.explain(answer))
    loading, waited = attempt["notes"]
    assert loading.startswith(f"loading {LLAMA} took 0.")
    assert waited.startswith("waited 0.")
    assert attempt["wait"]["likely_s"] > 0
    assert attempt["wait"]["why"] == f"a load of {LLAMA}"
    assert attempt["room_tokens"] > 3_000
    assert attempt["admitted_us"] - attempt["started_us"] > 400_000
    row = await world.row()
    assert row.outcome == "ok"


async def test_what_a_client_said_in_vain_is_in_the_trace(world: World) -> None:
    answer = await world.ask("local-llama", options={"num_ctx": 9_999}, keep_alive="1s")
    (attempt,) = attempts(await world.explain(answer))
    notes = " | ".join(attempt["notes"])
    assert "num_ctx 9999 of the client ignored: 4096 is pinned" in notes
    assert "keep_alive of the client ignored: 30m is pinned" in notes
    (question,) = world.ollama.questions
    body = json.loads(question.body)
    assert (body["keep_alive"], body["options"]["num_ctx"], body["truncate"]) == ("30m", 4_096, False)


async def test_the_second_request_waits_for_nothing(world: World) -> None:
    await world.ask("local-llama")
    await world.settle()  # an answer is whole some moments before its place is free
    answer = await world.ask("local-llama", "Something else.")
    (attempt,) = attempts(await world.explain(answer))
    assert "wait" not in attempt
    assert "notes" not in attempt, attempt["notes"]
    assert state(world).counts.loads == 1


# -- while it waits ------------------------------------------------------------------------------------------------


async def test_a_stream_is_kept_awake_while_its_model_loads(world: World) -> None:
    with world.ollama.held(what=is_load):
        async with world.open() as talk:
            await talk.send("POST", CHAT, chat("local-llama", stream=True))
            answer = await talk.receive_head()
            assert answer.status == 200
            assert resident(world) == set()
            await talk.receive_until(b":")
            await trio.sleep(0.4)
            world.ollama.app.gate.set()  # type: ignore[union-attr]
            answer = await talk.receive()
    assert answer.ended == "whole"
    assert comments(answer) >= 2
    assert answer.text
    assert reasoning(answer) == []


async def test_a_client_that_wants_to_know_is_told_once(world: World) -> None:
    for alias in ("local-llama", "gpt-3.5-turbo", "local-llama", "gpt-3.5-turbo"):
        assert (await world.ask(alias)).status == 200
    with world.ollama.held(what=is_load):
        async with world.open() as talk:
            await talk.send("POST", CHAT, chat("local-llama", stream=True), {"x-lodestar-tell": "waiting"})
            await talk.receive_until(b"loading")
            await trio.sleep(1.0)
            world.ollama.app.gate.set()  # type: ignore[union-attr]
            answer = await talk.receive()
    (line,) = reasoning(answer)
    assert line.startswith(f"loading {LLAMA}, ")
    assert line.endswith("\n")
    deltas = [choice["delta"] for chunk in answer.chunks for choice in chunk.get("choices", ())]
    first = next(delta for delta in deltas if delta.get("content") or delta.get("reasoning_content"))
    assert first["reasoning_content"] == line
    assert comments(answer) >= 2
    assert answer.text
    assert "loading" not in answer.text


async def test_who_waits_behind_others_is_told_so(world: World) -> None:
    await world.ask("local-llama")
    with world.ollama.held():
        async with world.open() as first, world.open() as second:
            await first.send("POST", CHAT, chat("local-llama", "first", stream=True))
            await eventually(lambda: state(world).step == "serving", "the first one")
            headers = {"x-lodestar-tell": "waiting"}
            await second.send("POST", CHAT, chat("local-llama", "second", stream=True), headers)
            await second.receive_until(b"waiting for")
            world.ollama.app.gate.set()  # type: ignore[union-attr]
            assert (await first.receive()).ended == "whole"
            answer = await second.receive()
    assert reasoning(answer)[0].startswith(f"waiting for {LLAMA} behind 1 request")
    assert answer.text


async def test_the_configuration_may_tell_everybody(tmp_path: Path) -> None:
    async with open_world(tmp_path, ON.replace("enabled = true", "enabled = true\ntell_waiting = true")) as world:
        with world.ollama.held(what=is_load):
            async with world.open() as talk:
                await talk.send("POST", CHAT, chat("local-llama", stream=True))
                await talk.receive_until(b"loading")
                world.ollama.app.gate.set()  # type: ignore[union-attr]
                assert len(reasoning(await talk.receive())) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_what_fails_soon_has_its_own_status(world: World, stream: bool) -> None:
    answer = await world.ask("not-there", stream=stream)
    assert answer.status == 404
    assert answer.error["code"] == "upstream_model_missing"
    answer = await world.ask("local-llama", TOO_LONG, stream=stream)
    assert answer.status == 400
    assert answer.error["code"] == "context_length_exceeded"
    assert world.ollama.questions == []


async def test_what_fails_after_the_head_ends_its_stream(world: World) -> None:
    with world.ollama.held(what=is_load):
        async with world.open() as talk:
            await talk.send("POST", CHAT, chat("local-llama", stream=True))
            await talk.receive_head()
            room(world).pause("t600")
            answer = await talk.receive()
    assert answer.status == 200
    assert answer.ended != "whole"
    assert answer.error["code"] == "upstream_busy"
    row = await world.row()
    assert (row.outcome, row.cost_nano_usd) == ("upstream_busy", 0)
    room(world).resume("t600")


async def test_a_client_that_leaves_aborts_no_load(world: World) -> None:
    with world.ollama.held(what=is_load):
        async with world.open() as talk:
            await talk.send("POST", CHAT, chat("local-llama"))
            await eventually(lambda: state(world).step == "loading", "the load")
            await eventually(lambda: len([one for one in world.ollama.app.requests if is_load(one)]) == 1, "it")
            await talk.leave()
        await world.settle()
        assert state(world).step == "loading"
    await eventually(lambda: resident(world) == {LLAMA}, "its end")
    assert world.ollama.app.left == 0
    assert world.ollama.questions == []
    row = await world.row()
    assert (row.outcome, row.cost_nano_usd) == ("client_left", 0)


# -- who answers instead -------------------------------------------------------------------------------------------


async def paid_instead(world: World, answer: Answer, outcome: str) -> str:
    """Checks that the paid model answered, for exactly what it costs; gives why the local one did not."""
    assert (answer.status, answer.ended) == (200, "whole")
    assert answer.lodestar["model"] == "openai/gpt-4o-mini"
    assert answer.lodestar["attempts"] == "2"
    told = await world.explain(answer)
    local, paid = attempts(told)
    assert (local["outcome"], paid["outcome"]) == (outcome, "ok")
    assert (local["hold_nano_usd"], local["cost_nano_usd"]) == (0, 0)
    assert told.request.cost_nano_usd == paid["cost_nano_usd"] == world.openai.bill_nano_usd > 0
    assert [attempt.upstream for attempt in told.attempts] == ["openai"]  # nothing was held for the other
    return str(local["detail"])


@pytest.mark.parametrize("stream", [False, True])
async def test_a_card_that_is_lent(world: World, stream: bool) -> None:
    room(world).pause("t600")
    why = await paid_instead(world, await world.ask(AUTO, stream=stream), "upstream_busy")
    assert "lodestarctl gpu resume t600" in why
    room(world).resume("t600")
    assert (await world.ask(AUTO)).lodestar["model"] == f"t600/{LLAMA}"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_prompt_that_is_too_long_for_the_card(world: World, stream: bool) -> None:
    why = await paid_instead(world, await world.ask(AUTO, TOO_LONG, stream=stream), "context_length_exceeded")
    assert "4096 tokens" in why
    assert resident(world) == set()


async def test_a_model_that_is_not_there(world: World) -> None:
    why = await paid_instead(world, await world.ask("missing-first"), "upstream_model_missing")
    assert "ollama pull mixtral:8x7b" in why


async def test_a_card_that_is_pinned_to_another_model(world: World) -> None:
    await room(world).warm(Target("t600", CODER))
    room(world).pin(Target("t600", CODER), exclusive=True)
    why = await paid_instead(world, await world.ask(AUTO), "upstream_busy")
    assert f"pinned to {CODER}" in why
    room(world).unpin(Target("t600", CODER))


async def test_a_server_that_is_gone(world: World) -> None:
    world.ollama.simulator.restart({"down_s": 1.0})
    why = await paid_instead(world, await world.ask(AUTO), "upstream_unreachable")
    assert "can't be reached" in why
    await trio.sleep(1.1)
    assert (await world.ask(AUTO)).lodestar["model"] == f"t600/{LLAMA}"


@pytest.mark.parametrize(
    ("alias", "outcomes"), [(AUTO, ["upstream_busy"]), ("free-later", ["upstream_busy", "upstream_unreachable"])]
)
async def test_idle_work_that_is_stopped_costs_nothing(world: World, alias: str, outcomes: list[str]) -> None:
    """Somebody needed the card: free models may do it instead, paid ones may not."""
    await world.ask("local-llama")
    with world.ollama.held():
        async with world.open() as idle, world.open() as person:
            await idle.send("POST", CHAT, chat(alias, "idle"), {"x-lodestar-priority": "idle"})
            await eventually(lambda: state(world).step == "serving", "the idle one")
            await person.send("POST", CHAT, chat("local-llama", "person"))
            answer = await idle.receive()
            world.ollama.app.gate.set()  # type: ignore[union-attr]
            assert (await person.receive()).lodestar["model"] == f"t600/{LLAMA}"
    assert answer.error["code"] == outcomes[-1]
    told = await world.explain(answer)
    assert [attempt["outcome"] for attempt in attempts(told)] == outcomes
    assert told.request.cost_nano_usd == world.openai.bill_nano_usd == 0
    assert state(world).counts.preempted == 1


async def test_idle_work_that_gets_no_place_costs_nothing(world: World) -> None:
    room(world).pause("t600")
    refused = await world.ask(AUTO, headers={"x-lodestar-priority": "idle"})
    assert (refused.status, refused.error["code"], world.openai.bill_nano_usd) == (503, "upstream_busy", 0)
    background = await world.ask(AUTO, headers={"x-lodestar-priority": "background"})
    assert background.lodestar["model"] == "openai/gpt-4o-mini"
    room(world).resume("t600")


async def test_idle_work_goes_on_where_a_server_is_gone(world: World) -> None:
    """Nobody needed the card: it falls back like any other request."""
    answer = await world.ask("missing-first", headers={"x-lodestar-priority": "idle"})
    assert answer.lodestar["model"] == "openai/gpt-4o-mini"


async def test_a_newer_completion_takes_the_place_of_an_older_one(world: World) -> None:
    """Nobody wants the older one any more: no other model is asked for it."""
    editor = {"x-lodestar-task": "autocomplete", "x-lodestar-session": "editor-1"}
    await world.ask("local-llama")
    with world.ollama.held():
        async with world.open() as old, world.open() as new:
            await old.send("POST", CHAT, chat(AUTO, "def a"), editor)
            await eventually(lambda: state(world).step == "serving", "the old one")
            await new.send("POST", CHAT, chat(AUTO, "def ab"), editor)
            answer = await old.receive()
            world.ollama.app.gate.set()  # type: ignore[union-attr]
            assert (await new.receive()).lodestar["model"] == f"t600/{LLAMA}"
    assert (answer.status, answer.error["code"]) == (400, "superseded")
    assert world.openai.asked == 0
    assert state(world).counts.superseded == 1


# -- reloads -------------------------------------------------------------------------------------------------------


async def test_residency_is_switched_off_and_on_by_a_reload(world: World) -> None:
    await world.ask("local-llama")
    overlay = world.folder / "conf.d" / "journey.toml"
    overlay.write_text(ON.replace("enabled = true", "enabled = false"))
    await world.house.reload()
    assert room(world).hosts == ()
    answer = await world.ask("local-llama", "while it is off")
    assert answer.status == 200
    (attempt,) = attempts(await world.explain(answer))
    assert "room_tokens" not in attempt or attempt["room_tokens"] is None
    overlay.write_text(ON)
    await world.house.reload()
    await eventually(lambda: resident(world) == {LLAMA}, "the look")
    assert (await world.ask("local-llama", "while it is on")).status == 200


async def test_a_reload_with_requests_under_way(world: World) -> None:
    await world.ask("local-llama")
    with world.ollama.held():
        async with world.open() as running, world.open() as waiting:
            await running.send("POST", CHAT, chat("local-llama", "running"))
            await eventually(lambda: state(world).step == "serving", "the first")
            await waiting.send("POST", CHAT, chat("gpt-3.5-turbo", "waiting"))
            await eventually(lambda: len(state(world).places) == 2, "the second")
            (world.folder / "conf.d" / "journey.toml").write_text(ON.replace("concurrency = 1", "concurrency = 2"))
            await world.house.reload()
            world.ollama.app.gate.set()  # type: ignore[union-attr]
            assert (await running.receive()).status == 200
            assert (await waiting.receive()).status == 200
    assert resident(world) == {CODER}
