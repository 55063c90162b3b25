"""The rooms that are open, in one frozen record: what a request and a module are given.

Law: typed by ports only. A reload builds a whole new one (a *generation*); requests under way keep the one that
they began with.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lodestard.domain.clock import Clock
from lodestard.domain.ports import Admission, CachePort, LedgerPort, RoutesPort, Sender
from lodestard.domain.settings import Settings
from lodestard.flights import Flights
from lodestard.hooks import Hooks


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything that a request needs on its way, and nothing that it could break.

    ``transport(upstream)`` gives an ``httpx.AsyncBaseTransport`` over that upstream's own pool, for all that is
    off the requests' way (probes, alerts); it raises ``LookupError`` where nobody here speaks the upstream's
    dialect. ``keys_missing`` maps an upstream to the reason why it has no key.
    ``started_s`` is when the daemon started, in unix seconds. ``run_dir`` is a folder for small files that live as
    long as the daemon, None where it has none; it may not be there yet. ``timezone`` is the ledger's.
    """

    settings: Settings
    clock: Clock
    hooks: Hooks
    routes: RoutesPort
    ledger: LedgerPort
    cache: CachePort
    sender: Sender
    admission: Admission
    flights: Flights
    transport: Callable[[str], Any]
    keys_missing: Mapping[str, str]
    started_s: int
    run_dir: Path | None = None
    timezone: str = "UTC"
