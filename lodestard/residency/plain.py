"""The plain admission: so many at once on each host, first come first served.

It knows nothing of what a GPU holds, so it predicts no wait. Owner of the counts: this object, in sync code of
trio's semaphores.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import trio

from lodestard.domain.settings import Upstream
from lodestard.domain.upstream import Target


class HostAdmission:
    """A semaphore per upstream. Implements ``domain.ports.Admission``."""

    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        self._places = {name: trio.Semaphore(upstream.concurrency) for name, upstream in upstreams.items()}

    @asynccontextmanager
    async def admit(self, target: Target) -> AsyncIterator[None]:
        """Wait for a place at ``target``'s host; it is given back on exit, also when cancelled."""
        async with self._places[target.upstream]:
            yield

    def predicted_wait_s(self, target: Target, prompt_tokens: int) -> float | None:  # noqa: ARG002
        return None
