"""One request, one answer: free and paid, plain and streamed."""

import pytest

from tests.fakes.world import CHAT, KEYS, World, chat
from tests.journeys.conftest import Log

SAID = ("request-id", "cache", "cost-usd", "overhead-ms", "attempts", "model", "reason")


def usd(nano: int) -> str:
    return f"{nano // 10**9}.{nano % 10**9:09d}"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_free_model_answers(world: World, stream: bool) -> None:
    world.ollama.say("Hello from the GPU.")
    answer = await world.ask("local-llama", "Say hello.", stream=stream)
    assert (answer.status, answer.ended, answer.text) == (200, "whole", "Hello from the GPU.")
    assert set(answer.lodestar) == set(SAID)
    assert answer.lodestar["model"] == "t600/llama3.1:8b"
    assert answer.lodestar["cost-usd"] == "0.000000000"
    assert answer.lodestar["cache"] == "bypass"
    assert answer.lodestar["attempts"] == "1"
    assert answer.lodestar["reason"] == "alias local-llama"
    assert float(answer.lodestar["overhead-ms"]) >= 0
    (body,) = world.ollama.bodies
    assert body["model"] == "llama3.1:8b"
    assert body["messages"] == [{"role": "user", "content": "Say hello."}]
    assert body["keep_alive"] == "30m"
    assert body["options"] == {"num_ctx": 4096}
    row = await world.row()
    assert (row.outcome, row.cost_nano_usd, row.prompt_tokens, row.completion_tokens) == ("ok", 0, 4, 5)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("alias", ["gpt-4o-mini", "gpt-4o", "grok-beta", "grok-mini", "gemini-pro"])
async def test_a_paid_answer_costs_what_its_provider_billed(world: World, alias: str, stream: bool) -> None:
    answer = await world.ask(alias, "What is a lodestar?", stream=stream)
    assert (answer.status, answer.ended) == (200, "whole")
    row = await world.row()
    billed = sum(upstream.bill_nano_usd for upstream in world.upstreams.values())
    assert row.cost_nano_usd == billed > 0
    assert row.unknown_nano_usd == 0
    if stream:  # its head was sent before its end was known: it says what is held
        assert answer.headers["x-lodestar-cost-usd"] >= usd(billed)
    else:
        assert answer.headers["x-lodestar-cost-usd"] == usd(billed)


async def test_a_thinking_model_shows_its_thoughts(world: World) -> None:
    plain = await world.ask("thinker", reasoning_effort="high")
    assert plain.json["choices"][0]["message"]["reasoning_content"].startswith("The user wants an answer.")
    streamed = await world.ask("thinker", reasoning_effort="high", stream=True)
    deltas = [choice["delta"] for chunk in streamed.chunks for choice in chunk["choices"]]
    assert "".join(delta.get("reasoning_content") or "" for delta in deltas).startswith("The user wants")
    assert world.ollama.bodies[0]["think"] == "high"


async def test_the_shape_of_a_stream(world: World) -> None:
    answer = await world.ask("local-llama", stream=True)
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.events[-1] == "[DONE]"
    first, last = answer.chunks[0], answer.chunks[-1]
    assert first["object"] == "chat.completion.chunk"
    assert first["choices"][0]["delta"]["role"] == "assistant"
    assert last["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "stop"}
    assert {chunk["id"] for chunk in answer.chunks} == {answer.id}


@pytest.mark.parametrize("alias", ["local-llama", "gpt-4o-mini"])
@pytest.mark.parametrize("wanted", [None, False, True])
async def test_usage_is_told_in_a_stream_only_where_it_was_asked_for(
    world: World, alias: str, wanted: bool | None
) -> None:
    options = None if wanted is None else {"include_usage": wanted}
    answer = await world.ask(alias, stream=True, stream_options=options)
    told = [chunk for chunk in answer.chunks if chunk.get("usage")]
    assert answer.events[-1] == "[DONE]"
    if wanted:
        (chunk,) = told
        assert chunk == answer.chunks[-1]
        assert chunk["choices"] == []
        row = await world.row()
        assert chunk["usage"]["prompt_tokens"] == row.prompt_tokens > 0
        assert chunk["usage"]["completion_tokens"] == row.completion_tokens > 0
    else:
        assert told == []
        assert all(chunk["choices"] for chunk in answer.chunks)
    assert (await world.row()).completion_tokens > 0


async def test_the_upstream_gets_our_key_and_nothing_of_the_clients(world: World) -> None:
    headers = {"authorization": "Bearer sk-clients-own", "x-private": "of the client", "cookie": "a=b"}
    await world.ask("gpt-4o-mini", headers=headers)
    (request,) = world.openai.app.requests
    assert request.headers["authorization"] == f"Bearer {KEYS['OPENAI_API_KEY']}"
    assert "x-private" not in request.headers
    assert "cookie" not in request.headers


async def test_one_connection_serves_one_request_after_the_other(world: World) -> None:
    async with world.open() as talk:
        for stream in (False, True, False):
            body = {"model": "local-llama", "messages": [{"role": "user", "content": "x"}], "stream": stream}
            await talk.send("POST", "/v1/chat/completions", body)
            assert (await talk.receive()).text
    assert len(await world.rows()) == 3


async def test_why_a_request_went_as_it_did_can_be_asked(world: World) -> None:
    answer = await world.ask("gpt-4o-mini", "A question that nobody else shall read.")
    told = await world.explain(answer)
    assert told.request.alias == "gpt-4o-mini"
    (attempt,) = told.attempts
    assert (attempt.upstream, attempt.model, attempt.state) == ("openai", "gpt-4o-mini", "captured")
    assert [posting.event for posting in told.postings] == ["hold", "capture", "release"]
    assert told.trace["reason"] == "asked for by name"
    (candidate,) = told.trace["candidates"]
    assert candidate["target"] == "openai/gpt-4o-mini"
    assert candidate["price"]["input_pico_usd"] == 150_000
    assert told.trace["cache"] == "no temperature"
    (tried,) = told.trace["attempts"]
    assert tried["outcome"] == "ok"
    assert tried["cost_nano_usd"] == world.openai.bill_nano_usd
    assert 0 <= tried["started_us"] <= tried["dialled_us"] <= tried["first_piece_us"] <= tried["ended_us"]
    assert "text" not in told.trace


async def test_every_request_has_its_trace_and_our_headers(world: World) -> None:
    world.openai.fail(None, "status=429", "cut=1500")
    answers = [
        await world.ask("gpt-4o-mini", temperature=0),
        await world.ask("gpt-4o-mini", temperature=0),
        await world.ask("gpt-4o-mini"),
        await world.ask("gpt-4o-mini", stream=True),
        await world.ask("gone-first"),
        await world.ask("local-llama", n=2),
        await world.ask("nobody"),
        await world.ask("unpriced"),
    ]
    assert [answer.status for answer in answers] == [200, 200, 429, 200, 200, 400, 404, 400]
    for answer in answers:
        assert {"request-id", "cache", "cost-usd", "overhead-ms", "attempts"} <= set(answer.lodestar)
        told = await world.explain(answer)
        assert set(told.trace) - {"task"} == {"reason", "candidates", "rejected", "cache", "attempts"}
        assert len(told.attempts) == len(told.trace["attempts"]) == told.request.attempts
    tried = [len((await world.explain(answer)).attempts) for answer in answers]
    assert tried == [1, 0, 1, 1, 2, 1, 0, 0]


async def test_one_log_record_a_request_and_no_word_of_it(log: Log, world: World) -> None:
    world.ollama.say("an answer of velvet")
    await world.ask("local-llama", "a question of brocade")
    await world.ask("gpt-4o-mini", "a question of damask", stream=True, temperature=0)
    await world.ask("gpt-4o-mini", "a question of damask", temperature=0)
    await world.ask("nobody", "a question of cotton")
    told = await log.wait_requests(4)
    assert [(one["outcome"], one["status"], one["cache"]) for one in told] == [
        ("ok", "200", "bypass"),
        ("ok", "200", "miss"),
        ("ok", "200", "hit"),
        ("model_not_found", "404", "bypass"),
    ]
    assert {one["client"] for one in told} == {"journey"}
    assert [one["request_id"] for one in told] == [row.id for row in await world.rows()]
    assert [float(one["cost_usd"]) > 0 for one in told] == [False, True, False, False]
    for word in ("velvet", "brocade", "damask", "cotton", "sk-journey"):
        assert word not in log.text


async def test_a_request_that_outlives_its_client_and_its_generation_is_logged_too(log: Log, world: World) -> None:
    with world.openai.held():
        async with world.open() as talk:
            await talk.send("POST", CHAT, chat("gpt-4o-mini", stream=True))
            await world.openai.wait_asked()
            await talk.leave()
        await world.house.reload()
    (told,) = await log.wait_requests(1)
    assert (told["outcome"], told["model"]) == ("client_left", "openai/gpt-4o-mini")


async def test_a_reload_lets_what_is_under_way_go_on(world: World) -> None:
    async with world.open() as talk:
        with world.ollama.held(after=3):
            await talk.send("POST", CHAT, chat("local-llama", stream=True))
            await talk.receive_until(b'"ulat"')
            config = world.folder / "lodestard.toml"
            config.write_text(
                config.read_text().replace("[models]\n", '[models]\nnew = { route = ["t600/llama3.1:8b"] }\n')
            )
            await world.house.reload()
            world.ollama.app.gate.set()  # type: ignore[union-attr]
            assert (await talk.receive()).events[-1] == "[DONE]"
    assert (await world.ask("new")).status == 200
