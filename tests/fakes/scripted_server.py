"""An upstream that does what a script says, over memory streams or on a loopback port.

A script is an async function that is given the server's side of one connection. Connection number n gets the
n-th script; the last one serves all that come after it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio
from trio.testing import memory_stream_pair

from lodestard.upstream.wire import StreamWire, Wire

Script = Callable[["Peer"], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Peer:
    """The server's side of one connection."""

    def __init__(self, server: "ScriptedServer", stream: trio.abc.Stream) -> None:
        self.server = server
        self.stream = stream
        self.left = trio.Event()
        self._rest = b""

    async def read_request(self) -> bytes:
        """One whole request (with a content-length), or nothing where the client left."""
        data = self._rest
        while b"\r\n\r\n" not in data:
            more = bytes(await self.stream.receive_some())
            if not more:
                return b""
            data += more
        head, _, data = data.partition(b"\r\n\r\n")
        length = next(
            (int(line[16:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length: ")), 0
        )
        while len(data) < length:
            data += bytes(await self.stream.receive_some())
        self._rest = data[length:]
        request = head + b"\r\n\r\n" + data[:length]
        self.server.requests.append(request)
        return request

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def close(self) -> None:
        await trio.aclose_forcefully(self.stream)
        self.left.set()


class ScriptedServer:
    """``dial`` opens memory connections to it; ``serve`` answers real ones."""

    def __init__(self, nursery: trio.Nursery, *scripts: Script) -> None:
        self._nursery = nursery
        self._scripts = scripts
        self.met = trio.Event()
        """A client has connected."""
        self.peers: list[Peer] = []
        self.requests: list[bytes] = []

    async def dial(self) -> Wire:
        ours, theirs = memory_stream_pair()
        peer = self._accept(theirs)
        self._nursery.start_soon(self._run, peer)
        await trio.lowlevel.checkpoint()

        def close_now() -> None:
            ours.send_stream.close()
            ours.receive_stream.close()

        return StreamWire(ours, close_now, lambda _was_read: peer.left.is_set())

    async def handle(self, stream: trio.abc.Stream) -> None:
        """A handler for ``trio.serve_tcp`` and friends."""
        await self._run(self._accept(stream))

    def _accept(self, stream: trio.abc.Stream) -> Peer:
        peer = Peer(self, stream)
        self.peers.append(peer)
        self.met.set()
        return peer

    async def _run(self, peer: Peer) -> None:
        script = self._scripts[min(self.peers.index(peer), len(self._scripts) - 1)]
        try:
            await script(peer)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client left
        finally:
            with trio.CancelScope(shield=True):
                await peer.close()


def answers(*replies: bytes) -> Script:
    """Request by request, these bytes; the connection stays open until the client leaves."""

    async def script(peer: Peer) -> None:
        for reply in replies:
            if not await peer.read_request():
                return
            await peer.send(reply)
        while await peer.read_request():
            await peer.send(replies[-1])

    return script


def answers_then_closes(*parts: bytes) -> Script:
    """One request is answered with these parts, then the connection ends."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        for part in parts:
            await peer.send(part)

    return script


async def reads_only(peer: Peer) -> None:
    """Takes a request and never answers."""
    await peer.read_request()
    await trio.sleep_forever()


async def hangs(peer: Peer) -> None:
    """Neither reads nor answers."""
    await trio.sleep_forever()


async def closes(peer: Peer) -> None:
    """Takes a request and closes."""
    await peer.read_request()


@asynccontextmanager
async def scripted(*scripts: Script) -> AsyncIterator[ScriptedServer]:
    """A server on memory streams."""
    async with trio.open_nursery() as nursery:
        yield ScriptedServer(nursery, *scripts)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def listening(*scripts: Script) -> AsyncIterator[tuple[ScriptedServer, int]]:
    """A server on a port of 127.0.0.1."""
    async with trio.open_nursery() as nursery:
        server = ScriptedServer(nursery, *scripts)
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, server.handle, listeners)
        yield server, listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()
