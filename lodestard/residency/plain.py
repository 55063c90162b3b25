"""The plain admission: so many at once on each host, first come first served.

It knows nothing of what a GPU holds, so it predicts no wait. Owner of the counts: this object, in sync code of
trio's semaphores.
"""

from collections.abc import Mapping

import trio

from lodestard.domain.residency import Ask, Wait
from lodestard.domain.settings import Upstream
from lodestard.domain.upstream import Target
from lodestard.domain.usage import Durations, Usage


class HostAdmission:
    """A semaphore per upstream. Implements ``domain.host_ports.Admission``."""

    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        self._places = {name: Places(upstream.concurrency) for name, upstream in upstreams.items()}

    def admit(self, ask: Ask) -> "Places":
        """Wait for a place at the target's host; it is given back on exit, also when cancelled."""
        return self._places[ask.target.upstream]

    def predicted_wait(self, target: Target, prompt_tokens: int) -> Wait | None:  # noqa: ARG002
        return None


class PlainSeat:
    """A place of which nothing is known but that it is one. Implements ``domain.host_ports.Seat``."""

    __slots__ = ()
    room_tokens: int | None = None

    def learn(self, usage: Usage | None, durations: Durations | None) -> None:
        """There is nobody who would want to know."""


PLAIN_SEAT = PlainSeat()


class Places:
    """``count`` places, as a ``domain.host_ports.Place`` that any number of tasks may be in at once.

    A free place is taken without a task switch; the attempt that follows waits for the network anyway.
    """

    __slots__ = ("_semaphore",)
    note = ""
    notes: tuple[str, ...] = ()
    predicted: Wait | None = None

    def __init__(self, count: int) -> None:
        self._semaphore = trio.Semaphore(count)

    async def __aenter__(self) -> PlainSeat:
        try:
            self._semaphore.acquire_nowait()
        except trio.WouldBlock:
            await self._semaphore.acquire()
        return PLAIN_SEAT

    async def __aexit__(self, *_error: object) -> None:
        self._semaphore.release()

    def note_first(self) -> None:
        """There is nobody who would want to know."""
