"""While a handler waits for something else: notice that its client left, and call it every so often.

Law: what the handler raises comes out as it is, never in a group. Nothing is called after the context is left.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import trio

from lodestard.http.faults import ClientLeft
from lodestard.http.firewall import unwrap
from lodestard.http.sentry import OnLeave, Sentry
from lodestard.http.wire import Wire


@dataclass(frozen=True, slots=True)
class Tick:
    """``act`` is awaited every ``every_s`` seconds."""

    every_s: float
    act: Callable[[], Awaitable[None]]


class Watch:
    """An async context manager. Its task runs only where there is a ``tick``."""

    __slots__ = ("_on_leave", "_opened", "_sentry", "_tick", "_ticking", "_wire", "left")

    def __init__(self, wire: Wire, sentry: Sentry, on_leave: OnLeave, tick: Tick | None) -> None:
        self._wire = wire
        self._sentry = sentry
        self._on_leave = on_leave
        self._tick = tick
        self._opened: AbstractAsyncContextManager[trio.Nursery] | None = None
        self._ticking: trio.Nursery | None = None
        self.left = False

    async def __aenter__(self) -> Self:
        self._sentry.watch(self._wire.fd, self._leave)
        if self._tick is not None:
            self._opened = trio.open_nursery()
            self._ticking = await self._opened.__aenter__()
            self._ticking.start_soon(self._run_ticks, self._tick)
        return self

    def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Awaitable[bool]:
        return self._end(kind, error, trace)

    async def _end(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._sentry.unwatch(self._wire.fd)
        if self._opened is None or self._ticking is None:
            return False
        self._ticking.cancel_scope.cancel()
        if error is None or isinstance(error, Exception):
            await _leave(self._opened, None, None, None)
            return False
        return await _leave(self._opened, kind, error, trace)

    async def _run_ticks(self, tick: Tick) -> None:
        try:
            while True:
                await trio.sleep(tick.every_s)
                await tick.act()
        except ClientLeft:
            self._leave()

    def _leave(self) -> None:
        self._wire.broken = True
        if not self.left:
            self.left = True
            self._on_leave()


async def _leave(
    opened: AbstractAsyncContextManager[trio.Nursery],
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
) -> bool:
    """Leave a nursery; the one thing that went wrong comes out of its group."""
    try:
        return bool(await opened.__aexit__(kind, error, trace))
    except BaseExceptionGroup as group:
        raise unwrap(group) from None
