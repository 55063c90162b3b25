"""Opening the ledger: what a crash left gets its end first, and the housekeeping runs for as long as it is open."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from os import urandom

import trio

from lodestard.domain.clock import Clock
from lodestard.domain.ports import Store
from lodestard.ledger.budget_rows import read_last_seen_ms
from lodestard.ledger.ids import RequestIds
from lodestard.ledger.ledger import Ledger
from lodestard.ledger.options import DEFAULT_OPTIONS, LedgerOptions
from lodestard.ledger.recovery import log_recovered, recover


@asynccontextmanager
async def open_ledger(
    store: Store,
    clock: Clock,
    *,
    options: LedgerOptions = DEFAULT_OPTIONS,
    entropy: Callable[[int], bytes] = urandom,
) -> AsyncIterator[Ledger]:
    """Open the ledger in ``store`` (which has ``SCHEMA``). What a crash left held is charged as unknown, and logged.

    Raises ``HouseFault(STORE_UNAVAILABLE)``; ``ValueError`` for an unknown time zone. Leaving it gives what is still
    under way its end; the store writes that when it is closed.
    """
    now_ms = max(clock.now_ms(), read_last_seen_ms(store))
    log_recovered(await store.commit(partial(recover, now_ms=now_ms)))
    ledger = Ledger(store, clock, options, RequestIds(entropy))
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ledger.upkeep.run_upkeep)
            yield ledger
            nursery.cancel_scope.cancel()
    finally:
        ledger.close()
