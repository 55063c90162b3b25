"""A model's server over its own pools: what it is asked, and what it says."""

import json
import ssl
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from lodestard.domain.errors import Code
from lodestard.domain.host_ports import ModelHost
from lodestard.domain.pins import pinned_members
from lodestard.domain.settings import LocalModel
from lodestard.simulator.world import simulate_ollama
from lodestard.upstream.model_host import open_model_host
from tests.fakes.model_hosts import LLAMA, facing, failure, reply, simulated, upstream
from tests.fakes.scripted_server import answers


async def test_a_servers_life(autojump_clock: trio.testing.MockClock) -> None:
    async with simulated(options={"num_ctx": 8192}, keep_alive="10m") as (host, _, _):
        port: ModelHost = host
        assert await port.version() == "0.33.0"
        assert await port.loaded() == ()
        began_s = trio.current_time()
        await port.load(LLAMA)
        assert trio.current_time() - began_s == 4.0
        (model,) = await port.loaded()
        assert (model.model, model.context_tokens) == (LLAMA, 8192)
        assert 0 < model.vram_bytes < model.size_bytes
        assert model.expires_ms == 1_795_169_400_123
        await port.load(LLAMA)
        assert trio.current_time() - began_s == 4.0
        await port.unload(LLAMA)
        assert await port.loaded() == ()
        await port.unload(LLAMA)


async def test_what_is_installed_and_what_it_is(autojump_clock: object) -> None:
    async with simulated() as (host, _, _):
        listed = {model.model: model for model in await host.installed()}
        assert listed[LLAMA].size_bytes == 4_900_000_000
        assert len(listed[LLAMA].digest) == 64
        details = await host.details(LLAMA)
        assert (details.layers, details.kv_heads, details.context_tokens) == (32, 8, 131072)
        assert details.capabilities == ("completion", "tools")
        fault = await failure(lambda host: host.details("mixtral:8x7b"), host)
        assert (fault.code, fault.status) == (Code.UPSTREAM_MODEL_MISSING, 404)


@pytest.mark.parametrize("call", ["load", "unload", "details"])
async def test_a_model_that_it_does_not_have(call: str, autojump_clock: object) -> None:
    async with simulated() as (host, simulator, _):
        fault = await failure(lambda host: getattr(host, call)("mixtral:8x7b"), host)
        assert fault.code is Code.UPSTREAM_MODEL_MISSING
        assert "ollama pull mixtral:8x7b" in fault.message
        assert simulator.app.meter_json()["loads"] == 0


async def test_for_ever_expires_never(autojump_clock: object) -> None:
    async with simulated(keep_alive=-1) as (host, _, _):
        await host.load(LLAMA)
        (model,) = await host.loaded()
        assert model.expires_ms is None


@pytest.mark.parametrize("keep_alive", [0, "0s"])
async def test_a_keep_alive_of_nought_is_no_unload(keep_alive: int | str, autojump_clock: object) -> None:
    async with simulated(keep_alive=keep_alive) as (host, _, _):
        await host.load(LLAMA)
        assert [model.model for model in await host.loaded()] == [LLAMA]


async def test_a_load_and_a_request_never_reload_each_other(autojump_clock: object) -> None:
    """What is loaded is what a request with the same pins finds."""
    settings: dict[str, Any] = {
        "options": {"num_ctx": 8192, "num_gpu": 12},
        "models": {LLAMA: LocalModel(options={"num_gpu": 20})},
    }
    async with simulated(**settings) as (host, simulator, other):
        await host.load(LLAMA)
        talk = [{"role": "user", "content": "hi"}]
        asked = {"model": LLAMA, "messages": talk, **pinned_members(upstream(**settings), LLAMA)}
        assert (await other.ask("POST", "/api/chat", asked)).status == 200
        await host.load(LLAMA)
        assert simulator.app.meter_json()["loads"] == 1
        assert (await other.ask("POST", "/api/chat", {"model": LLAMA, "messages": talk})).status == 200
        assert simulator.app.meter_json()["loads"] == 2


async def test_a_download_line_by_line(autojump_clock: object) -> None:
    async with simulated() as (host, _, _):
        async with host.pull(LLAMA) as lines:
            seen = [line async for line in lines]
            assert [line async for line in lines] == []
        assert seen[0].status == "pulling manifest"
        assert (seen[-1].status, seen[-4].done_bytes, seen[-4].total_bytes) == (
            "success",
            4_900_000_000,
            4_900_000_000,
        )
        assert seen[-4].digest.startswith("sha256:")


async def test_another_server_behind_a_path(autojump_clock: object) -> None:
    said = answers(reply(b'{"models":[]}'), reply(b'{"done":true,"done_reason":"load"}'))
    async with facing(said, url="http://127.0.0.1/gpu/one/") as (host, server):
        assert await host.loaded() == ()
        await host.load(LLAMA)
        lines = [request.split(b"\r\n")[0] for request in server.requests]
        assert lines == [b"GET /gpu/one/api/ps HTTP/1.1", b"POST /gpu/one/api/chat HTTP/1.1"]
        assert len(server.peers) == 1


async def test_a_load_on_the_wire(autojump_clock: object) -> None:
    settings: dict[str, Any] = {"options": {"num_ctx": 4096}, "keep_alive": -1, "headers": {"x-room": "cellar"}}
    async with facing(answers(reply(b'{"done":true}')), key="sk-gpu", **settings) as (host, server):
        await host.load(LLAMA)
        (request,) = server.requests
        head, _, body = request.partition(b"\r\n\r\n")
        assert json.loads(body) == {
            "model": LLAMA,
            "messages": [],
            "stream": False,
            "options": {"num_ctx": 4096},
            "keep_alive": -1,
        }
        fields = head.lower().split(b"\r\n")
        for field in (b"authorization: bearer sk-gpu", b"x-room: cellar", b"content-type: application/json"):
            assert field in fields
        assert "sk-gpu" not in repr(host.calls.pool.fields)


async def test_over_tls_with_an_authority_of_its_own(certificate: tuple[Path, Path]) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    simulator = simulate_ollama()

    async def handle(stream: trio.SocketStream) -> None:
        await simulator.serve_stream(trio.SSLStream(stream, context, server_side=True))

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, handle, [listener])
        url = f"https://127.0.0.1:{listener.socket.getsockname()[1]}"
        async with open_model_host("t600", upstream(url=url, ca_file=str(certificate[0])), "") as host:
            await host.load(LLAMA)
            assert [model.model for model in await host.loaded()] == [LLAMA]
        async with open_model_host("t600", upstream(url=url), "") as stranger:
            fault = await failure(lambda host: host.loaded(), stranger)
            assert fault.code is Code.UPSTREAM_UNREACHABLE
        nursery.cancel_scope.cancel()
