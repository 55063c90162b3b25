"""What goes on in a server: how many connections, from whom, which of them wait for a request, what is too much.

Law: changed only in sync code. ``idle`` is in the order in which its connections began to wait, so that only its
front can be due: an idle connection costs no timer of its own.
"""

from collections import Counter

import trio

from lodestard.domain.errors import Code, Fault, HouseFault
from lodestard.domain.settings import Limits
from lodestard.http.head import RequestHead
from lodestard.http.load import Load
from lodestard.http.peer import Peer
from lodestard.http.wire import Wire


class Traffic:
    """Counters and the idle connections of one server."""

    def __init__(self, limits: Limits, load: Load | None = None) -> None:
        self._limits = limits
        self.load = load or Load(limits.buffered_bytes)
        self._per_peer: Counter[str] = Counter()
        self._idle: dict[Wire, float] = {}
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

    def shed(self, head: RequestHead) -> Fault | None:
        """Why a request is sent away, or None. One without a body asks for little: it is always served."""
        if not self.load.heavy or head.length == 0:
            return None
        self.load.note_shed()
        return HouseFault(Code.OVERLOADED, "Too much is under way here; try again in a moment.", retry_after_s=1)

    def release(self, peer: Peer) -> None:
        self.connections -= 1
        self._per_peer[peer.key] -= 1
        if not self._per_peer[peer.key]:
            del self._per_peer[peer.key]

    def begin_idle(self, wire: Wire) -> None:
        self._idle[wire] = trio.current_time()

    def end_idle(self, wire: Wire) -> None:
        self._idle.pop(wire, None)

    def close_idle(self, since_s: float) -> None:
        """End those that have waited since ``since_s`` or longer. A request that has come is still answered."""
        while self._idle:
            wire, began_s = next(iter(self._idle.items()))
            if began_s > since_s:
                return
            del self._idle[wire]
            wire.stop_receiving()

    async def run_sweeper(self, patience_s: float) -> None:
        """Close idle connections when they have waited ``patience_s``, until cancelled."""
        while True:
            oldest_s = next(iter(self._idle.values()), trio.current_time())
            await trio.sleep_until(oldest_s + patience_s)
            self.close_idle(trio.current_time() - patience_s)
