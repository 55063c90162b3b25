"""Whether an upstream's process runs: a restart resets every connection, and nobody is there for a while.

Owner: one `Power` per simulator; changed in sync code only. Times are trio's.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from lodestard.simulator.wire import make_reset


class Power:
    """Knows the open connections."""

    def __init__(self) -> None:
        self._open: dict[trio.abc.Stream, trio.CancelScope] = {}
        self._cut = trio.Event()
        self._up_at = 0.0

    @property
    def down_s(self) -> float:
        """How much longer nobody answers; 0 while it runs."""
        return max(0.0, self._up_at - trio.current_time())

    def restart(self, down_s: float, spared: trio.abc.Stream | None = None) -> None:
        """Every connection but the ``spared`` one is reset at once; new ones are refused for ``down_s``."""
        self._up_at = trio.current_time() + down_s
        for stream, scope in self._open.items():
            if stream is not spared:
                make_reset(stream)
                scope.cancel()
        self._cut.set()
        self._cut = trio.Event()

    async def wait_cut(self) -> None:
        """Until the next restart that lasts."""
        while True:
            await self._cut.wait()
            if self.down_s > 0:
                return

    @contextmanager
    def connected(self, stream: trio.abc.Stream) -> Iterator[None]:
        """The block serves ``stream``; a restart cancels it."""
        with trio.CancelScope() as scope:
            self._open[stream] = scope
            try:
                yield
            finally:
                del self._open[stream]
