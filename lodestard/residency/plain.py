"""The plain admission: so many at once on each host, first come first served.

It knows nothing of what a GPU holds, so it predicts no wait. Owner of the counts: this object, in sync code of
trio's semaphores.
"""

from collections.abc import Mapping

import trio

from lodestard.domain.settings import Upstream
from lodestard.domain.upstream import Target


class HostAdmission:
    """A semaphore per upstream. Implements ``domain.ports.Admission``."""

    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        self._places = {name: Place(upstream.concurrency) for name, upstream in upstreams.items()}

    def admit(self, target: Target) -> "Place":
        """Wait for a place at ``target``'s host; it is given back on exit, also when cancelled."""
        return self._places[target.upstream]

    def predicted_wait_s(self, target: Target, prompt_tokens: int) -> float | None:  # noqa: ARG002
        return None


class Place:
    """One of ``count`` places, as an async context manager that any number of tasks may be in at once.

    A free place is taken without a task switch; the attempt that follows waits for the network anyway.
    """

    __slots__ = ("_semaphore",)

    def __init__(self, count: int) -> None:
        self._semaphore = trio.Semaphore(count)

    async def __aenter__(self) -> None:
        try:
            self._semaphore.acquire_nowait()
        except trio.WouldBlock:
            await self._semaphore.acquire()

    async def __aexit__(self, *_error: object) -> None:
        self._semaphore.release()
