"""Verdicts on answers, by each of the ways in which they come, and what shows without anybody saying so."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lodestard.control.verbs import core_verbs
from lodestard.domain.feedback import tally_cells
from lodestard.domain.upstream import Target
from tests.fakes.world import Answer, World, open_world
from tests.journeys.test_checks import BAD, GOOD, OVERLAY, ask_edit
from tests.journeys.test_client_keys import ANN, BOB, CLIENTS, ask, bearer

PATH = "/v1/lodestar/feedback"
LLAMA = Target("t600", "llama3.1:8b")
QUESTION = "How do I read a file line by line in Python?"


async def call(world: World, verb: str, **arguments: Any) -> Any:
    known = core_verbs(world.panel)[verb]
    assert known.answer is not None
    given = {argument.name: argument.default for argument in known.arguments}
    return msgspec.json.decode(msgspec.json.encode(await known.answer({**given, **arguments})))


def counts(world: World, target: Target, kind: str) -> tuple[float, float]:
    return tally_cells(cell for cell in world.house.runtime.outcomes.cells(target) if cell.kind == kind)


async def judge(world: World, answer: Answer, verdict: str = "good", **members: Any) -> Answer:
    return await world.request("POST", PATH, {"id": answer.id, "verdict": verdict, **members})


async def told(world: World, answer: Answer) -> list[tuple[str, str, str, str]]:
    await world.settle()
    await world.explain(answer)  # waits for what was posted
    rows = (await call(world, "explain", id=answer.id))["feedback"]
    return [(row["source"], row["verdict"], row["kind"], row["target"]) for row in rows]


async def test_a_verdict_comes_by_endpoint_header_or_verb(world: World) -> None:
    by_endpoint, by_header, by_verb = [
        await world.ask("local-llama", f"{n} {QUESTION}", headers={"x-lodestar-session": f"s{n}"}) for n in range(3)
    ]
    taken = await judge(world, by_endpoint, kind="explain")
    expected = {"id": by_endpoint.id, "verdict": "good", "kind": "explain", "model": str(LLAMA)}
    assert (taken.status, taken.json) == (200, expected)
    later = await world.ask("local-llama", headers={"x-lodestar-feedback": f"{by_header.id}=bad, {by_verb.id}=good"})
    assert (later.status, later.lodestar["feedback"]) == (200, "2 kept")
    row = await call(world, "feedback.give", id=by_verb.id[-10:], verdict="bad", kind="code")
    assert (row["request_id"], row["verdict"], row["learned"]) == (by_verb.id, "bad", True)
    assert (await call(world, "feedback.give", id=by_verb.id, verdict="bad"))["learned"] is None
    row = await call(world, "feedback.give", id=by_verb.id, verdict="bad", kind="embedding")
    assert row["learned"] is False
    await call(world, "feedback.give", id=by_verb.id, verdict="bad", kind="code")
    assert await told(world, by_endpoint) == [("said", "good", "explain", str(LLAMA))]
    assert await told(world, by_header) == [("said", "bad", "explain", str(LLAMA))]
    assert await told(world, by_verb) == [("said", "bad", "code", str(LLAMA))]
    for kind, expected_counts in (("explain", (1, 1)), ("chat", (0, 0)), ("code", (0, 1))):
        assert counts(world, LLAMA, kind) == pytest.approx(expected_counts, abs=1e-4)
    listed = await call(world, "feedback.list")
    assert {each["request_id"] for each in listed["feedback"]} == {by_endpoint.id, by_header.id, by_verb.id}
    (seen,) = [request for request in world.ollama.app.requests if b"Tell me" in request.body]
    assert "x-lodestar" not in repr(seen.headers)


async def test_what_is_no_verdict_is_refused_and_costs_nobody_an_answer(world: World) -> None:
    answer = await world.ask("local-llama")
    for body, param in (
        ({"id": answer.id, "verdict": "great"}, "verdict"),
        ({"id": answer.id, "verdict": "good", "kind": "editt"}, "kind"),
        ({"id": "req_none", "verdict": "good"}, "id"),
    ):
        refused = await world.request("POST", PATH, body)
        assert (refused.status in (400, 404), refused.error["param"]) == (True, param)
    for garbage in (b"[]", b"{", b'{"id": 1, "verdict": "good"}'):
        assert (await world.request("POST", PATH, garbage)).status == 400
    assert (await world.request("GET", PATH)).status == 405
    for header in ("nonsense", f"{answer.id}=great", "=good", ",", "req_none=good"):
        later = await world.ask("local-llama", headers={"x-lodestar-feedback": header})
        assert (later.status, later.lodestar["feedback"].endswith("refused")) == (200, True)
    assert await told(world, answer) == []


async def test_a_foreign_principal_is_refused_as_if_there_were_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path, CLIENTS) as world:
        answer = await ask(world, ANN)
        body = {"id": answer.id, "verdict": "bad"}
        foreign = await world.request("POST", PATH, body, bearer(BOB))
        nobody = await world.request("POST", PATH, {"id": "req_none", "verdict": "bad"}, bearer(BOB))
        assert (foreign.status, foreign.error["message"]) == (404, nobody.error["message"])
        assert (await world.request("POST", PATH, body)).status == 401
        headers = {**bearer(BOB), "x-lodestar-feedback": f"{answer.id}=bad"}
        assert (await world.ask("local-llama", headers=headers)).lodestar["feedback"] == "1 refused"
        assert await told(world, answer) == []
        own = await world.request("POST", PATH, body, bearer(ANN))
        assert own.status == 200
        assert await told(world, answer) == [("said", "bad", "chat", str(LLAMA))]


async def test_the_same_again_and_a_failed_edit_show_by_themselves(world: World) -> None:
    first = await world.ask("local-llama", QUESTION)
    again = await world.ask("local-llama", QUESTION)
    await world.ask("local-llama", "# 1 SEARCH/REPLACE block failed to match! And so on.")
    assert await told(world, first) == [("resent", "bad", "explain", str(LLAMA))]
    assert await told(world, again) == [("edit_failed", "bad", "explain", str(LLAMA))]
    state = b"".join(file.read_bytes() for file in (world.folder / "state").iterdir() if "ledger" in file.name)
    assert b"line by line" not in state


async def test_an_answer_from_the_cache_is_no_complaint(world: World) -> None:
    first = await world.ask("local-llama", QUESTION, temperature=0)
    again = await world.ask("local-llama", QUESTION, temperature=0)
    assert again.lodestar["cache"] == "hit"
    assert await told(world, first) == []


async def test_whoever_failed_a_check_is_blamed_and_not_who_answered(tmp_path: Path) -> None:
    async with open_world(tmp_path, OVERLAY) as world:
        world.ollama.say(BAD, BAD)
        world.openai.say(GOOD)
        answer = await ask_edit(world, "edit")
        assert answer.lodestar["model"] == "openai/gpt-4o-mini"
        assert await told(world, answer) == [("check", "bad", "edit", str(LLAMA))]
        assert counts(world, Target("openai", "gpt-4o-mini"), "edit") == (0, 0)
