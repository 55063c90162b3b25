"""What every connection of a server shares: its handler, its door, how it writes a fault."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lodestard.domain.clock import Clock
from lodestard.domain.errors import Fault
from lodestard.http.door import Door
from lodestard.http.exchange import HttpExchange
from lodestard.http.firewall import WrittenFault, log_defect

Handler = Callable[[HttpExchange], Awaitable[None]]
"""Answers one request. What it raises is answered for it: a ``Fault`` by ``WriteFault``, anything else by a 500."""

WriteFault = Callable[[Fault, str], WrittenFault]
"""A fault and the request's path (empty where it is not known) → status, headers, body."""


@dataclass(frozen=True, slots=True)
class Terms:
    handler: Handler
    door: Door
    clock: Clock
    write_fault: WriteFault

    def write(self, fault: Fault, path: str) -> WrittenFault:
        """``write_fault`` behind a firewall."""
        try:
            return self.write_fault(fault, path)
        except Exception as error:  # noqa: BLE001 - it answers what other firewalls have caught
            log_defect(error)
            return 500, [], b""
