"""Who answers: preferences, tags, rules, sessions; and that nothing takes a lan-only request off the network."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from lodestard.domain.request import Caller, Request
from lodestard.domain.task import Task
from lodestard.domain.task_rule import TaskRule
from lodestard.tasks import Tasks
from tests.fakes.world import Answer, World, chat, open_world
from tests.journeys.test_feedback import call

OUTSIDE = ("openai", "xai", "anthropic", "gemini")
CONFIG = "\n".join(
    [
        *(f"[upstreams.{name}]\nlan = false" for name in OUTSIDE),
        """
[models.weighed]
route = ["t600/llama3.1:8b", "openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5-20250929"]
prefer = "cheap"
[models.chain]
route = ["t600/llama3.1:8b", "openai/gpt-4o-mini", "xai/grok-beta"]
checks = ["schema"]
[models.paid]
route = ["openai/gpt-4o-mini"]
[traits."t600/llama3.1:8b"]
quality = 0.9
[[rules]]
name = "ours"
when = { tag = ["private"] }
labels = ["lan-only"]
[[rules]]
name = "by word"
when = { matches = "top secret" }
labels = ["lan-only"]
[[rules]]
name = "sent away"
priority = -1
when = { tag = ["away"] }
model = "gpt-4o-mini"
[[rules]]
name = "no grok"
when = { client = ["strict*"] }
forbid = ["xai/*"]
require = ["paid"]
""",
    ]
)
PRIVATE = {"x-lodestar-tags": "private"}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "a",
        "schema": {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}},
    },
}


@pytest.fixture
async def routed(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, CONFIG) as world:
        yield world


def asked_outside(world: World) -> list[str]:
    return [name for name in OUTSIDE if name in world.upstreams and world.upstreams[name].asked]


async def post(world: World, headers: Mapping[str, str] | None = None, **members: Any) -> Answer:
    return await world.request("POST", "/v1/chat/completions", chat(**members), headers)


async def test_an_easy_request_is_answered_for_nothing_and_says_why(routed: World) -> None:
    answer = await post(routed, alias="weighed", text="Say hello.")
    assert answer.lodestar["model"] == "t600/llama3.1:8b"
    assert answer.lodestar["reason"].startswith("weighed: ")
    assert "likely good" in answer.lodestar["reason"]
    trace = (await routed.explain(answer)).trace
    assert trace["prefer"] == "cheap"
    assert trace["task"]["kind"] == "chat"
    merits = {candidate["target"]: candidate["merit"] for candidate in trace["candidates"]}
    assert merits["t600/llama3.1:8b"]["cost_nano_usd"] == 0
    assert merits["anthropic/claude-sonnet-4-5-20250929"]["quality"] > merits["t600/llama3.1:8b"]["quality"]


async def test_a_client_says_what_it_prefers(routed: World) -> None:
    answer = await post(routed, {"x-lodestar-prefer": "best"}, alias="weighed")
    assert answer.lodestar["model"] == "anthropic/claude-sonnet-4-5-20250929"
    assert (await post(routed, {"x-lodestar-prefer": "??"}, alias="weighed")).lodestar["model"] == "t600/llama3.1:8b"
    ordered = await post(routed, {"x-lodestar-prefer": "best"}, alias="auto")
    assert (await routed.explain(ordered)).trace["prefer"] == "best"
    assert (await post(routed, alias="auto")).lodestar["reason"] == "alias auto"


async def test_a_rule_sends_a_request_elsewhere_and_is_named(routed: World) -> None:
    answer = await post(routed, alias="local-llama#away")
    assert answer.lodestar["model"] == "openai/gpt-4o-mini"
    assert answer.lodestar["reason"] == "alias gpt-4o-mini; by sent away"
    told = await routed.explain(answer)
    assert told.request.alias == "local-llama"
    assert told.trace["rules"] == ["sent away"]


async def test_what_a_rule_forbids_is_not_asked_when_others_fail(routed: World) -> None:
    routed.openai.fail("status=500")
    answer = await post(routed, {"x-lodestar-client": "strict-tool"}, alias="chain")
    assert answer.status == 502
    assert routed.ollama.asked == routed.xai.asked == 0
    trace = (await routed.explain(answer)).trace
    assert {said["target"]: said["reason"] for said in trace["rejected"]} == {
        "t600/llama3.1:8b": "a rule requires paid",
        "xai/grok-beta": "a rule forbids xai/*",
    }


async def test_a_session_knows_what_its_model_has_read(routed: World) -> None:
    session = {"x-lodestar-session": "one", "x-lodestar-prefer": "best"}
    first = await post(routed, session, alias="weighed", text="word " * 400)
    again = await post(routed, session, alias="weighed", text="word " * 400 + "and more")
    merits = [(await routed.explain(answer)).trace["candidates"][0]["merit"] for answer in (first, again)]
    assert [merit["cached_tokens"] > 0 for merit in merits] == [False, True]
    assert merits[1]["cost_nano_usd"] < merits[0]["cost_nano_usd"]


# -- lan-only: every way --------------------------------------------------------------------------------------------

WAYS: tuple[tuple[str, dict[str, str], dict[str, Any]], ...] = (
    ("a tag that a rule labels", PRIVATE, {"alias": "paid"}),
    ("behind the model's name", {}, {"alias": "paid#private"}),
    ("the label itself as a tag", {"x-lodestar-tags": "x, lan-only"}, {"alias": "paid"}),
    ("what the user says", {}, {"alias": "paid", "text": "This is top secret."}),
    ("a target named outright", PRIVATE, {"alias": "openai/gpt-4o-mini"}),
    ("a preference", PRIVATE | {"x-lodestar-prefer": "best"}, {"alias": "paid"}),
    ("a rule that sends it elsewhere", {}, {"alias": "local-llama#private#away"}),
)


@pytest.mark.parametrize(("headers", "members"), [way[1:] for way in WAYS], ids=[way[0] for way in WAYS])
@pytest.mark.parametrize("stream", [False, True])
async def test_lan_only_is_refused_rather_than_sent(
    routed: World, headers: dict[str, str], members: dict[str, Any], stream: bool
) -> None:
    answer = await post(routed, headers, stream=stream, **members)
    assert answer.status == 400
    assert "lan-only" in answer.error["message"]
    assert asked_outside(routed) == []


BODIES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/messages", {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}),
    ("/v1/responses", {"input": "hi"}),
    ("/v1/completions", {"prompt": "hi"}),
    ("/v1/fim/completions", {"prompt": "a", "suffix": "b"}),
    ("/v1/embeddings", {"input": "hi"}),
    ("/api/chat", {"messages": [{"role": "user", "content": "hi"}]}),
    ("/api/generate", {"prompt": "hi"}),
    ("/api/embed", {"input": "hi"}),
)


@pytest.mark.parametrize(("path", "members"), BODIES, ids=[path for path, _ in BODIES])
async def test_lan_only_in_every_dialect(routed: World, path: str, members: dict[str, Any]) -> None:
    answer = await routed.request("POST", path, {"model": "paid", **members}, PRIVATE)
    assert answer.status == 400, answer.body
    assert b"lan-only" in answer.body
    assert asked_outside(routed) == []


async def test_lan_only_prompts_are_counted_here(routed: World) -> None:
    question = {"model": "claude-sonnet", "messages": [{"role": "user", "content": "word " * 400}]}
    path, version = "/v1/messages/count_tokens", {"anthropic-version": "2023-06-01"}
    refused = await routed.request("POST", path, question, version | PRIVATE)
    assert refused.status == 400
    weighed = await routed.request("POST", path, {**question, "model": "weighed#private"}, version)
    assert 200 < weighed.json["input_tokens"] < 900
    assert asked_outside(routed) == []


@pytest.mark.parametrize("fault", ["status=500", "close", "status=429;retry-after=3", "cut=10"])
@pytest.mark.parametrize("stream", [False, True])
async def test_lan_only_does_not_fall_back(routed: World, fault: str, stream: bool) -> None:
    routed.ollama.fail(fault, fault, fault)
    answer = await post(routed, PRIVATE, alias="chain", stream=stream)
    assert answer.status >= 429 or answer.ended != "whole"
    assert routed.ollama.asked >= 1
    assert asked_outside(routed) == []


async def test_lan_only_is_not_escalated_by_a_check(routed: World) -> None:
    routed.ollama.say("no json", "no json", "no json")
    answer = await post(routed, PRIVATE, alias="chain", response_format=SCHEMA)
    assert routed.ollama.questions
    assert asked_outside(routed) == []
    assert answer.lodestar["model"] == "t600/llama3.1:8b"


async def test_lan_only_is_not_answered_by_a_free_model_outside(tmp_path: Path) -> None:
    broke = CONFIG.replace("[upstreams.openai]\nlan = false", "[upstreams.t600]\nlan = false", 1)
    broke += "\n[budgets.all]\nusd = 0.000000001\n"
    async with open_world(tmp_path, broke) as world:
        free = await post(world, alias="paid")
        assert free.lodestar["model"].startswith("t600/")
        asked = world.ollama.asked
        answer = await post(world, PRIVATE, alias="paid", text="another")
        assert answer.status >= 400
        assert world.ollama.asked == asked


async def test_lan_only_shares_no_answer_that_may_come_from_outside(routed: World) -> None:
    """The one that began it may still fall back to a provider."""
    same: dict[str, Any] = {"alias": "chain", "text": "the same", "temperature": 0}
    answers: list[Answer] = []

    async def ask(headers: Mapping[str, str]) -> None:
        answers.append(await post(routed, headers, **same))

    async with trio.open_nursery() as nursery:
        with routed.ollama.held():
            nursery.start_soon(ask, {})
            await routed.ollama.wait_held()
            nursery.start_soon(ask, PRIVATE)
            await routed.wait_open(2)
    assert [answer.status for answer in answers] == [200, 200]
    assert {answer.lodestar["cache"] for answer in answers} == {"miss"}


async def test_a_kept_answer_is_given_to_a_lan_only_request(routed: World) -> None:
    """Reading it sends nothing anywhere."""
    same: dict[str, Any] = {"alias": "weighed", "text": "the same", "temperature": 0}
    first = await post(routed, **same)
    again = await post(routed, PRIVATE, **same)
    assert (first.lodestar["cache"], again.lodestar["cache"]) == ("miss", "hit")
    assert asked_outside(routed) == []


async def test_the_last_wall_holds_whoever_chose(routed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lodestard.routing.filters.LAN_ONLY", "something else")
    answer = await post(routed, PRIVATE, alias="paid")
    assert answer.status == 500
    assert asked_outside(routed) == []


async def test_an_alias_that_a_rule_names_is_checked_as_it_says(tmp_path: Path) -> None:
    config = '[models.checked]\nroute = ["openai/gpt-4o-mini"]\nchecks = ["schema"]\n[[rules]]\nmodel = "checked"\n'
    async with open_world(tmp_path, config) as world:
        world.openai.say("no json", '{"x": 1}')
        answer = await post(world, alias="local-llama", response_format=SCHEMA)
        assert (answer.text, world.openai.asked) == ('{"x": 1}', 2)


async def test_lan_only_is_not_switched_away(routed: World) -> None:
    await call(routed, "use.set", alias="gpt-4o-mini")
    assert (await post(routed, alias="local-llama")).lodestar["model"] == "openai/gpt-4o-mini"
    asked = routed.openai.asked
    answer = await post(routed, PRIVATE, alias="local-llama", text="another")
    assert answer.status == 400
    assert "lan-only" in answer.error["message"]
    assert routed.openai.asked == asked


async def test_only_a_choice_that_asks_has_a_request_classified(
    routed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are rules here, but none that looks at tasks."""
    found: list[Request] = []
    find = Tasks.find

    def count(self: Tasks, request: Request, caller: Caller, own: tuple[TaskRule, ...]) -> Task:
        found.append(request)
        return find(self, request, caller, own)

    monkeypatch.setattr(Tasks, "note_end", lambda *_args: None)
    monkeypatch.setattr(Tasks, "find", count)
    await post(routed, alias="chain", text="one")
    await post(routed, PRIVATE, alias="local-llama", text="two")
    assert found == []
    await post(routed, alias="weighed", text="three")
    assert len(found) == 1


async def test_an_image_is_no_text_of_its_size(tmp_path: Path) -> None:
    """Half a megabyte of an image is not a hundred thousand tokens."""
    config = """
[models.sees]
route = ["openai/gpt-4o", "t600/llama3.1:8b"]
[traits."openai/gpt-4o"]
images = true
context_tokens = 8000
"""
    async with open_world(tmp_path, config) as world:
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBORw0K" * 60_000}}
        messages = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}]
        answer = await world.request("POST", "/v1/chat/completions", {"model": "sees", "messages": messages})
        assert answer.lodestar["model"] == "openai/gpt-4o", answer.body
