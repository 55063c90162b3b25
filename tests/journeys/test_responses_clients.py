"""Whole requests of Responses clients: conversations by id, what is kept of them, signs of life, failures, money."""

import json
from pathlib import Path
from typing import Any

import pytest

from lodestard.domain.client import digest_of, write_key
from tests.fakes.world import Answer, World, open_world

RESPONSES = "/v1/responses"
ANN, BOB = (write_key(bytes([number] * 20)) for number in range(2))
CLIENTS = f"""
[clients.ann]
key_sha256 = "{digest_of(ANN).hex()}"

[clients.bob]
key_sha256 = "{digest_of(BOB).hex()}"
"""
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


async def ask(world: World, alias: str, given: Any = "Tell me something.", **members: Any) -> Answer:
    headers = members.pop("headers", None)
    return await world.request("POST", RESPONSES, {"model": alias, "input": given, **members}, headers)


def text_of(response: Any) -> str:
    parts = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    return "".join(part.get("text", "") for part in parts)


@pytest.mark.parametrize("alias", ["local-llama", "gpt-4o-mini", "grok-beta", "gemini-pro"])
async def test_plain_and_streamed(world: World, alias: str) -> None:
    plain = await ask(world, alias, "hello there")
    assert plain.status == 200, plain.body
    assert "hello there" in text_of(plain.json)
    streamed = await ask(world, alias, "hello there", stream=True)
    assert streamed.headers["content-type"] == "text/event-stream"
    assert streamed.chunks[-1]["type"] == "response.completed"
    whole = streamed.chunks[-1]["response"]
    assert text_of(whole) == text_of(plain.json)
    assert whole["usage"] == plain.json["usage"]
    rows = await world.rows()
    assert [(row.dialect, row.outcome) for row in rows] == [("responses", "ok")] * 2
    counted = (whole["usage"]["input_tokens"], whole["usage"]["output_tokens"])
    assert (rows[0].prompt_tokens, rows[0].completion_tokens) == counted


@pytest.mark.parametrize("alias", ["local-llama", "gpt-4o-mini"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_loop_by_id(world: World, alias: str, stream: bool) -> None:
    first = await ask(world, alias, "What is the weather in Paris?", tools=[WEATHER], stream=stream)
    response = first.chunks[-1]["response"] if stream else first.json
    (call,) = [item for item in response["output"] if item["type"] == "function_call"]
    assert (call["name"], json.loads(call["arguments"])) == ("get_weather", {"city": "Paris"})
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "Sunny"}
    second = await ask(world, alias, [result], previous_response_id=response["id"], tools=[WEATHER], stream=stream)
    assert second.status == 200, second.body
    upstream = world.ollama if alias == "local-llama" else world.openai
    messages = upstream.bodies[-1]["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    assert "previous_response_id" not in upstream.bodies[-1]


async def test_a_conversation_goes_on_before_the_answers_connection_is_done(world: World) -> None:
    async with world.open() as talk:
        body = {"model": "gpt-4o-mini", "input": "one", "stream": True}
        await talk.send("POST", RESPONSES, body)
        answer = await talk.receive_until(b"event: response.completed")
        response_id = json.loads(answer.body.split(b"\n\n")[0].partition(b"data: ")[2])["response"]["id"]
        second = await ask(world, "gpt-4o-mini", "two", previous_response_id=response_id)
        assert second.status == 200
        await talk.receive()
    assert [message["content"] for message in world.openai.bodies[-1]["messages"]][::2] == ["one", "two"]


async def test_what_is_not_stored_is_not_there(world: World) -> None:
    response_id = (await ask(world, "local-llama", store=False)).json["id"]
    again = await ask(world, "local-llama", previous_response_id=response_id)
    assert (again.status, again.error["code"]) == (400, "previous_response_not_found")
    assert again.error["param"] == "previous_response_id"
    assert (await world.request("GET", f"{RESPONSES}/{response_id}")).status == 404


async def test_a_broken_answer_is_not_kept(world: World) -> None:
    world.openai.fail("error=3")
    broken = await ask(world, "gpt-4o-mini", stream=True)
    assert broken.ended == "cut"
    assert broken.chunks[-1]["type"] == "response.failed"
    failed = broken.chunks[-1]["response"]
    assert (failed["status"], failed["error"]["code"]) == ("failed", "server_error")
    assert (await world.request("GET", f"{RESPONSES}/{failed['id']}")).status == 404


async def test_a_failure_before_the_answer_is_a_status(world: World) -> None:
    for fault, status, code in (
        ("status=401", 401, "upstream_auth"),
        ("status=500", 502, "upstream_error"),
        ("status=429;retry-after=7", 429, "upstream_rate_limited"),
    ):
        world.openai.fail(fault)
        answer = await ask(world, "gpt-4o-mini", stream=True)
        assert (answer.status, answer.json["error"]["code"]) == (status, code)


async def test_what_was_kept_is_shown_and_deleted(world: World) -> None:
    first = (await ask(world, "local-llama", "one")).json
    second = (await ask(world, "local-llama", "two", previous_response_id=first["id"])).json
    assert second["previous_response_id"] == first["id"]
    shown = await world.request("GET", f"{RESPONSES}/{second['id']}")
    assert shown.json == second
    page = (await world.request("GET", f"{RESPONSES}/{second['id']}/input_items?limit=2")).json
    assert (page["has_more"], len(page["data"])) == (True, 2)
    assert page["data"][0]["content"] == [{"type": "input_text", "text": "two"}]
    rest = await world.request("GET", f"{RESPONSES}/{second['id']}/input_items?after={page['last_id']}")
    assert [item["content"][0]["text"] for item in rest.json["data"]] == ["one"]
    assert (await world.request("GET", f"{RESPONSES}/{second['id']}/input_items?limit=0")).status == 400
    assert (await world.request("GET", f"{RESPONSES}/{second['id']}/odd")).status == 404
    assert (await world.request("GET", f"{RESPONSES}/{second['id']}?stream=true")).status == 400
    gone = await world.request("DELETE", f"{RESPONSES}/{second['id']}")
    assert gone.json == {"id": second["id"], "object": "response", "deleted": True}
    assert (await world.request("DELETE", f"{RESPONSES}/{second['id']}")).status == 404
    assert (await world.request("PATCH", f"{RESPONSES}/{second['id']}")).status == 405


async def test_an_item_is_referred_to_by_its_id(world: World) -> None:
    first = (await ask(world, "gpt-4o-mini", "one")).json
    given = [{"type": "item_reference", "id": first["output"][0]["id"]}, {"role": "user", "content": "two"}]
    assert (await ask(world, "gpt-4o-mini", given)).status == 200
    assert [message["role"] for message in world.openai.bodies[-1]["messages"]] == ["assistant", "user"]


async def test_each_client_has_its_own_conversations(tmp_path: Path) -> None:
    async with open_world(tmp_path, CLIENTS) as world:
        ann, bob = ({"authorization": f"Bearer {key}"} for key in (ANN, BOB))
        first = await ask(world, "local-llama", headers=ann)
        assert first.status == 200, first.body
        path = f"{RESPONSES}/{first.json['id']}"
        assert (await world.request("GET", path, None, bob)).status == 404
        assert (await world.request("GET", path, None, ann)).status == 200
        stolen = await ask(world, "local-llama", previous_response_id=first.json["id"], headers=bob)
        assert stolen.json["error"]["code"] == "previous_response_not_found"


async def test_the_same_question_is_answered_from_the_cache_under_ids_of_its_own(world: World) -> None:
    first = await ask(world, "gpt-4o-mini", "one", temperature=0)
    again = await ask(world, "gpt-4o-mini", "one", temperature=0, stream=True)
    assert (first.lodestar["cache"], again.lodestar["cache"]) == ("miss", "hit")
    whole = again.chunks[-1]["response"]
    assert text_of(whole) == text_of(first.json)
    assert whole["id"] != first.json["id"]
    for response_id in (first.json["id"], whole["id"]):
        on = await ask(world, "gpt-4o-mini", "two", temperature=0, previous_response_id=response_id)
        assert on.status == 200
    assert world.openai.asked == 2  # both go on from the same conversation


async def test_the_same_words_after_another_conversation_are_another_question(world: World) -> None:
    ids = [(await ask(world, "gpt-4o-mini", text)).json["id"] for text in ("one", "other")]
    answers = [
        await ask(world, "gpt-4o-mini", "two", temperature=0, previous_response_id=response_id) for response_id in ids
    ]
    assert [answer.lodestar["cache"] for answer in answers] == ["miss", "miss"]


async def test_a_waiting_client_is_told_in_events(tmp_path: Path) -> None:
    quick = "[server]\nearly_head_s = 0.05\nkeep_alive_comment_s = 0.05\n"
    async with open_world(tmp_path, quick) as world, world.open() as talk:
        with world.openai.held():
            await talk.send("POST", RESPONSES, {"model": "gpt-4o-mini", "input": "one", "stream": True})
            await talk.receive_until(b'"sequence_number":3')
        answer = await talk.receive()
    told = [event["type"] for event in answer.chunks]
    assert told[:4] == ["response.created", *["response.in_progress"] * 3]
    assert (told[-1], told.count("response.created")) == ("response.completed", 1)
    assert [event["sequence_number"] for event in answer.chunks] == list(range(len(told)))


async def test_what_another_dialect_can_not_carry_is_told(world: World) -> None:
    tools = [{"type": "web_search"}, WEATHER]
    answer = await ask(world, "gpt-4o-mini", tools=tools, truncation="auto")
    assert answer.lodestar["dropped"] == "tools[].web_search, truncation"
    for alias, code in (("gpt-4o-mini", "price_unknown"), ("local-llama", "not_supported")):
        refused = await ask(world, alias, tools=[{"type": "computer_use_preview"}])
        assert (refused.status, refused.error["code"]) == (400, code)


async def test_codex_is_told_of_no_models(world: World) -> None:
    assert (await world.request("GET", "/v1/models?client_version=0.169.0")).json == {"models": []}
    assert (await world.request("GET", "/v1/models?limit=1000")).json["object"] == "list"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"model":"gpt-4o-mini"}', b'{"model":"gpt-4o-mini","input":7}'])
async def test_a_bad_request_is_told_in_openais_words(world: World, body: bytes) -> None:
    answer = await world.request("POST", RESPONSES, body)
    assert answer.status == 400
    assert set(answer.json["error"]) == {"message", "type", "param", "code"}
