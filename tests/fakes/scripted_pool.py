"""A pool over a scripted server's memory streams."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lodestard.upstream.call import Call
from lodestard.upstream.origin import Origin
from lodestard.upstream.pool import Pool, PoolSettings, open_pool
from lodestard.upstream.request_head import Fields
from tests.fakes.scripted_server import Script, ScriptedServer, scripted

ORIGIN = Origin("http", "gpu.lan", 11434)
POST = Call(method="POST", path="/api/chat", body=b"{}")


@asynccontextmanager
async def pool_with(*scripts: Script, **settings: object) -> AsyncIterator[tuple[Pool, ScriptedServer]]:
    """``settings`` are those of ``PoolSettings``."""
    record = PoolSettings(upstream="t600", origin=ORIGIN, **settings)  # type: ignore[arg-type]
    async with scripted(*scripts) as server, open_pool(record, Fields(ORIGIN), dial=server.dial) as pool:
        yield pool, server


async def fetch(pool: Pool, call: Call = POST) -> bytes:
    """The whole body of the answer."""
    async with pool.request(call) as response:
        body = b""
        while data := await response.receive_some():
            body += data
        return body
