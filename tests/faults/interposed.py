"""Between an upstream's app and its connection: what is done to the bytes of its answers, one by one.

Law: the app bills what it bills; only what the house gets to see of the answer is changed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import trio

from lodestard.simulator.exchange import Exchange
from lodestard.simulator.reply import CutConnectionError, Headers
from tests.fakes.world import SimUpstream


class Interposed:
    """An app whose exchanges are shown to ``before`` before they are answered."""

    def __init__(self, app: Any, before: Callable[[Exchange], None]) -> None:
        self._app = app
        self._before = before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)

    async def answer(self, exchange: Exchange) -> None:
        self._before(exchange)
        await self._app.answer(exchange)


@contextmanager
def interpose(upstream: SimUpstream, before: Callable[[Exchange], None]) -> Iterator[None]:
    """Inside, ``before`` gets every exchange of ``upstream`` before its app does."""
    simulator = upstream.simulator
    app, simulator.app = simulator.app, Interposed(simulator.app, before)
    try:
        yield
    finally:
        simulator.app = app


class CutWire:
    """The sending side of a connection that ends at a byte. ``sent``: what went out of the answer under way."""

    def __init__(self, at: int | None, *, rst: bool) -> None:
        self.at = at
        self.rst = rst
        self.sent = bytearray()

    def __call__(self, exchange: Exchange) -> None:
        self.sent = bytearray()
        exchange.reply._stream = _Wire(self, exchange.reply._stream)  # type: ignore[assignment]


class _Wire:
    def __init__(self, cut: CutWire, stream: trio.abc.Stream) -> None:
        self._cut = cut
        self._stream = stream

    async def send_all(self, data: bytes) -> None:
        cut = self._cut
        room = len(data) if cut.at is None else cut.at - len(cut.sent)
        part = data[:room]
        cut.sent += part
        if part:
            await self._stream.send_all(part)
        if len(part) < len(data):
            raise CutConnectionError(rst=cut.rst)


class Gate:
    """Lets so many sends of each answer pass, then holds it until it is opened."""

    def __init__(self, after: int) -> None:
        self._after = after
        self.reached = trio.Event()
        self.opened = trio.Event()

    def __call__(self, exchange: Exchange) -> None:
        reply, sent = exchange.reply, 0
        send, finish, whole = reply.send, reply.finish, reply.whole

        async def gated_send(data: bytes) -> None:
            nonlocal sent
            if sent >= self._after:
                await self._wait()
            sent += 1
            await send(data)

        async def gated_finish() -> None:
            await self._wait()
            await finish()

        async def gated_whole(status: int, headers: Headers, body: bytes) -> None:
            await self._wait()
            await whole(status, headers, body)

        reply.whole = gated_whole  # type: ignore[method-assign]
        reply.send = gated_send  # type: ignore[method-assign]
        reply.finish = gated_finish  # type: ignore[method-assign]

    async def _wait(self) -> None:
        self.reached.set()
        await self.opened.wait()
