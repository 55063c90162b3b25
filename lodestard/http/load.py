"""What the house holds in memory for its clients, and whom it sent away because of that.

Counted are requests' bodies (as far as they have come, until they are answered), answers that wait in flights, and
what slow readers have not taken yet. Small things of the same size for everybody (heads, tasks) are not: the cap of
connections bounds them.

Law: changed in sync code only. What is there already is counted whatever comes (``put``); what may still be refused
is asked for first (``take``). New work is shed before the limit, so that what is under way has room to end.
"""

import trio

DEFAULT_BYTES = 256 * 1024 * 1024
SHED_SHARE = 0.95
RECENT_S = 60.0


class Load:
    """Owner of the count. ``shed_requests`` and ``turned_away`` (connections) count from the start."""

    __slots__ = ("_last_s", "_shed_at_bytes", "held_bytes", "limit_bytes", "shed_requests", "turned_away")

    def __init__(self, limit_bytes: int = DEFAULT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self._shed_at_bytes = int(limit_bytes * SHED_SHARE)
        self._last_s = float("-inf")
        self.held_bytes = 0
        self.shed_requests = 0
        self.turned_away = 0

    @property
    def heavy(self) -> bool:
        """Whether new requests are to be sent away."""
        return self.held_bytes >= self._shed_at_bytes

    @property
    def over(self) -> bool:
        return self.held_bytes > self.limit_bytes

    def put(self, more_bytes: int) -> None:
        """Count what is there, or (below zero) no longer is."""
        self.held_bytes += more_bytes

    def take(self, more_bytes: int) -> bool:
        """Count it if there is room for it."""
        if more_bytes > 0 and self.held_bytes + more_bytes > self.limit_bytes:
            self.note_shed()
            return False
        self.held_bytes += more_bytes
        return True

    def note_shed(self) -> None:
        """A request was sent away."""
        self.shed_requests += 1
        self._last_s = trio.current_time()

    def note_turned_away(self) -> None:
        """A connection was."""
        self.turned_away += 1
        self._last_s = trio.current_time()

    @property
    def sends_away(self) -> bool:
        """Whether it does now, or did within a minute."""
        return self.heavy or trio.current_time() - self._last_s < RECENT_S
