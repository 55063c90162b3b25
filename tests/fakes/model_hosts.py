"""A model's server over memory streams: simulated, or scripted; and everything that can be asked of it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from lodestard.domain.errors import UpstreamFault
from lodestard.domain.host_ports import ModelHost
from lodestard.domain.settings import Upstream
from lodestard.simulator.card.figures import ALL_MODELS, Machine, Pace
from lodestard.simulator.server import Simulator
from lodestard.simulator.world import simulate_ollama
from lodestard.upstream.model_host import PooledModelHost, open_model_host
from tests.fakes.scripted_server import Script, ScriptedServer, scripted
from tests.fakes.sim_client import SimClient
from tests.fakes.sim_dial import dialler

WALL_NS = 1_795_168_800_123_456_000  # 2026-11-20T10:00:00.123456Z
PACED = Machine(
    models=ALL_MODELS, pace=Pace(load_s=4.0, unload_s=1.0, prefill_tokens_per_s=100.0, decode_tokens_per_s=10.0)
)
LLAMA, CODER = "llama3.1:8b", "deepseek-coder:6.7b"
Use = Callable[[PooledModelHost], Awaitable[object]]
EVERY: dict[str, Use] = {
    "version": lambda host: host.version(),
    "loaded": lambda host: host.loaded(),
    "installed": lambda host: host.installed(),
    "details": lambda host: host.details(LLAMA),
    "load": lambda host: host.load(LLAMA),
    "unload": lambda host: host.unload(LLAMA),
    "pull": lambda host: pulled(host, LLAMA),
}
LISTS = {name: EVERY[name] for name in ("version", "loaded", "installed", "details", "load", "unload")}


def upstream(**settings: Any) -> Upstream:
    return Upstream(**{"dialect": "ollama", "url": "http://127.0.0.1:11434", "free": True, **settings})


def reply(body: bytes, status: bytes = b"200 OK", kind: bytes = b"application/json") -> bytes:
    head = b"HTTP/1.1 %s\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n" % (status, kind, len(body))
    return head + body


@asynccontextmanager
async def simulated(
    machine: Machine = PACED, **settings: Any
) -> AsyncIterator[tuple[PooledModelHost, Simulator, SimClient]]:
    """The host, what is behind it, and another client of that."""
    simulator = simulate_ollama(machine, wall_ns=lambda: WALL_NS)
    async with trio.open_nursery() as nursery:
        dial = dialler(simulator, nursery)
        async with open_model_host("t600", upstream(**settings), "", dial=dial) as host:
            yield host, simulator, SimClient(await simulator.opener(nursery)())
            clean(host)
        nursery.cancel_scope.cancel()
    assert simulator.crashes == []


@asynccontextmanager
async def facing(
    *scripts: Script, key: str = "", **settings: Any
) -> AsyncIterator[tuple[PooledModelHost, ScriptedServer]]:
    async with (
        scripted(*scripts) as server,
        open_model_host("t600", upstream(**settings), key, dial=server.dial) as host,
    ):
        yield host, server
        clean(host)


def clean(host: PooledModelHost) -> None:
    """Nothing is leased, nobody waits."""
    for calls in (host.calls, host.pulls):
        status = calls.pool.status
        assert (status.leased, status.waiting, status.open) == (0, 0, status.idle)


async def pulled(host: ModelHost, model: str) -> list[str]:
    async with host.pull(model) as lines:
        return [line.status async for line in lines]


async def failure(use: Use, host: PooledModelHost) -> UpstreamFault:
    """The fault that it raised, with what every one of them must say."""
    with pytest.raises(UpstreamFault) as caught:
        await use(host)
    assert caught.value.upstream == "t600"
    return caught.value


def lines(*said: object) -> list[bytes]:
    return [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", *(chunk(json.dumps(line)) for line in said)]


def chunk(text: str) -> bytes:
    return b"%x\r\n%s\n\r\n" % (len(text) + 1, text.encode())
