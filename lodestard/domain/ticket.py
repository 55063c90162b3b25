"""What stands for a cache ticket where a request did not come as far as the cache."""

from dataclasses import dataclass

from lodestard.domain.upstream import Target


@dataclass(frozen=True, slots=True)
class NoTicket:
    """Keeps nothing, finds nothing. Implements ``domain.ports.Ticket``."""

    key: str = ""
    cacheable: bool = False
    reason: str = ""

    def key_for(self, _target: Target) -> str:
        return ""


NO_TICKET = NoTicket()
