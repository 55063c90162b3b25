"""Too much at once: sent away before anything is asked of anybody, and counted out again."""

import json

import pytest

from lodestard.panel import tell_load
from tests.fakes.world import CHAT, World, chat, eventually

EMPTY = "0 of 256 MiB are held for clients"


async def test_a_request_that_is_too_much(world: World) -> None:
    load = world.house.foundation.load
    assert tell_load(load) == ""
    load.put(load.limit_bytes)
    refused = await world.ask("local-llama")
    assert (refused.status, refused.error["code"]) == (503, "overloaded")
    assert tell_load(load).startswith("256 of 256 MiB are held for clients; 1 requests")
    load.put(-load.limit_bytes)
    assert (await world.ask("local-llama")).status == 200
    assert tell_load(load).startswith(EMPTY)  # for a minute
    assert world.ollama.asked == 1
    assert await world.rows()


@pytest.mark.parametrize("model", ["local-llama", "gpt-4o-mini"])
@pytest.mark.parametrize("stream", [False, True])
async def test_everything_is_counted_out_again(world: World, model: str, stream: bool) -> None:
    load, body = world.house.foundation.load, chat(model, stream=stream)
    upstream = world.ollama if model == "local-llama" else world.openai
    with upstream.held():
        async with world.open() as talk:
            await talk.send("POST", CHAT, body)
            await upstream.wait_asked()
            await eventually(lambda: load.held_bytes >= len(json.dumps(body)) // 2, "the body counts")
            upstream.app.gate.set()  # type: ignore[union-attr]
            assert (await talk.receive()).status == 200
    await world.settle()
    await eventually(lambda: not load.held_bytes, "nothing is held")
