"""The gate of the proxy's port: who asks, before anything else is looked at.

Law: a request that shows no key where one is demanded reaches nothing, costs a hash at most, and is counted. The log
has one line a minute for each peer, whatever it tries, and never any part of what it sent.
"""

import logging

from lodestard.classify.principal import Refusal, find_principal, is_local
from lodestard.domain.client import LOCAL, Principal
from lodestard.domain.errors import CallerFault, Code
from lodestard.http import HttpExchange
from lodestard.runtime import Runtime

QUIET_NS = 60_000_000_000
MOST_PEERS = 1_024

logger = logging.getLogger(__name__)


class Gate:
    """Owner of the memory of who was refused lately: of so many peers, the oldest forgotten first."""

    def __init__(self) -> None:
        self._told_ns: dict[str, int] = {}

    def admit(self, http: HttpExchange, runtime: Runtime) -> Principal:
        """Who asks. Raises ``CallerFault`` where that can't be told and a key is demanded."""
        clients = runtime.clients
        if not clients.by_digest:
            return LOCAL
        local = is_local(http.peer.address)
        found = find_principal(http.headers, clients, local=local, now_ms=runtime.clock.now_ms())
        if isinstance(found, Refusal):
            runtime.hooks.key_refused.tell(found.reason)
            self._log(http.peer.address, found, runtime.clock.monotonic_ns())
            raise CallerFault(Code.INVALID_API_KEY, found.message)
        return found

    def _log(self, peer: str, refusal: Refusal, now_ns: int) -> None:
        told_ns = self._told_ns.get(peer)
        if told_ns is not None and now_ns - told_ns < QUIET_NS:
            return
        self._told_ns.pop(peer, None)
        while len(self._told_ns) >= MOST_PEERS:
            del self._told_ns[next(iter(self._told_ns))]
        self._told_ns[peer] = now_ns
        logger.warning("%s was refused (key: %s); told once a minute", peer or "a local peer", refusal.reason)
