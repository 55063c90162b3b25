"""Where blocking database work runs: on a thread in a house that serves, in the loop in a simulation.

Law: an executor runs the work to its end, whatever happens to the caller's scope; giving up early is asked of the
work itself (``run_until_left``). Its owner is whoever opens the store.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import trio

T = TypeVar("T")


class Run(Protocol):
    """Runs blocking work and gives back what it returned, or raises what it raised."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


async def run_in_thread(work: Callable[[], T], /) -> T:
    """Run ``work`` on a worker thread (about 0.2 ms there and back). Waits for its end even if cancelled."""
    return await trio.to_thread.run_sync(work, limiter=trio.CapacityLimiter(1))


async def run_inline(work: Callable[[], T], /) -> T:
    """Run ``work`` here and now, blocking the loop: for simulations on a mock clock, which a thread would mislead."""
    await trio.lowlevel.checkpoint()
    return work()


async def run_until_left(run: Run, work: Callable[[], T], give_up: Callable[[], object]) -> T:
    """Run ``work``; when the caller's scope is cancelled meanwhile, call ``give_up`` and still wait for the end.

    ``give_up`` must make ``work`` end soon. ``work`` must not raise.
    """
    results: list[T] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_call_when_left, give_up)
        results.append(await run(work))
        nursery.cancel_scope.cancel()
    return results[0]


async def _call_when_left(give_up: Callable[[], object]) -> None:
    try:
        await trio.sleep_forever()
    finally:
        give_up()
