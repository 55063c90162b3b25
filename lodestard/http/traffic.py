"""What goes on in a server: how many connections, from whom, which of them wait for a request.

Law: changed only in sync code. ``idle`` is in the order in which its connections began to wait, so that only its
front can be due: an idle connection costs no timer of its own.
"""

from collections import Counter

import trio

from lodestard.domain.settings import Limits
from lodestard.http.peer import Peer
from lodestard.http.wire import Wire


class Traffic:
    """Counters and the idle connections of one server."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._per_peer: Counter[str] = Counter()
        self._idle: dict[Wire, float] = {}
        self._now_s = trio.current_time
        self.connections = 0
        self.exchanges = 0
        self.draining = False

    def admit(self, peer: Peer) -> bool:
        """Count a new connection, unless there are too many."""
        limits, key = self._limits, peer.key
        if self.connections >= limits.connections or self._per_peer[key] >= limits.connections_per_peer:
            return False
        self.connections += 1
        self._per_peer[key] += 1
        return True

    def release(self, peer: Peer) -> None:
        self.connections -= 1
        self._per_peer[peer.key] -= 1
        if not self._per_peer[peer.key]:
            del self._per_peer[peer.key]

    def begin_idle(self, wire: Wire) -> None:
        self._idle[wire] = self._now_s()

    def end_idle(self, wire: Wire) -> None:
        self._idle.pop(wire, None)

    def close_idle(self, since_s: float = float("inf")) -> None:
        """End those that have waited since ``since_s`` or longer. A request that has come is still answered."""
        while self._idle:
            wire, began_s = next(iter(self._idle.items()))
            if began_s > since_s:
                return
            del self._idle[wire]
            wire.stop_receiving()

    async def run_sweeper(self) -> None:
        """Close idle connections when their time is up, until cancelled."""
        keep_alive_s = self._limits.keep_alive_s
        self._now_s = trio.lowlevel.current_clock().current_time  # the same, without asking whose clock it is
        while True:
            oldest_s = next(iter(self._idle.values()), trio.current_time())
            await trio.sleep_until(oldest_s + keep_alive_s)
            self.close_idle(trio.current_time() - keep_alive_s)
