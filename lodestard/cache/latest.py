"""The requests that were answered from here last, as they were read, and what was found for each.

Law: it saves work and decides nothing. Only what was answered from the cache is kept: few, small, in memory alone,
and gone with ``cache clear``. The same bytes are the same request; the same request of the same principal, for the
same target, has the same key; and an entry that is still the one in memory has the same answer.
"""

from collections import OrderedDict

import msgspec

from lodestard.cache.entry import Entry
from lodestard.cache.records import Kept, Ticket
from lodestard.domain.request import Request
from lodestard.domain.upstream import Target

MOST = 128
MOST_BODY_BYTES = 16 * 1024
MOST_ANSWER_BYTES = 64 * 1024


class Found(msgspec.Struct, frozen=True, eq=False):
    """What a request was answered with, asked by ``principal`` and meant for ``target``."""

    principal: str
    target: Target
    key: str
    entry: Entry
    kept: Kept


class Known(msgspec.Struct, eq=False):
    """A request as it was read from a body under a limit of depth."""

    request: Request
    depth: int
    found: Found | None = None


class Latest:
    """The least recently asked leave first. Changed in sync code only."""

    def __init__(self) -> None:
        self._by_body: OrderedDict[bytes, Known] = OrderedDict()
        self._by_request: dict[int, Known] = {}  # by identity, which lasts as long as it is kept here

    def recall(self, body: bytes, depth: int, dialect: str) -> Request | None:
        """The request that was read from the same bytes, as the same dialect."""
        known = self._by_body.get(body)
        if known is None or known.depth != depth or known.request.dialect != dialect:
            return None
        self._by_body.move_to_end(body)
        return known.request

    def remember(self, body: bytes, depth: int, request: Request) -> None:
        """``request`` was read from ``body``, and answered from the cache."""
        if id(request) in self._by_request or len(body) > MOST_BODY_BYTES:
            return
        self._forget(self._by_body.pop(body, None))
        self._by_body[body] = self._by_request[id(request)] = Known(request, depth)
        if len(self._by_body) > MOST:
            self._forget(self._by_body.popitem(last=False)[1])

    def find(self, ticket: Ticket) -> Found | None:
        """What was found for the same request, of the same principal and for the same target."""
        known = self._by_request.get(id(ticket.request))
        found = known.found if known is not None else None
        if found is None or found.principal != ticket.principal or found.target != ticket.target:
            return None
        return found

    def note(self, ticket: Ticket, key: str, entry: Entry, kept: Kept) -> None:
        """``entry`` answers ``ticket``."""
        known = self._by_request.get(id(ticket.request))
        if known is not None and entry.packed.size_bytes <= MOST_ANSWER_BYTES:
            known.found = Found(ticket.principal, ticket.target, key, entry, kept)

    def clear(self) -> None:
        """Forget them all."""
        self._by_body.clear()
        self._by_request.clear()

    def _forget(self, known: Known | None) -> None:
        if known is not None:
            del self._by_request[id(known.request)]
