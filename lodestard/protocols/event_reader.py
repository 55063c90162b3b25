"""The frame of every reader of a streamed answer: cut into events, turn each into pieces, know how it ended.

Law: the same bytes give the same answer and the same failure however they were portioned. What came before a
failure is returned first, and the failure is raised by the next call.
"""

from typing import Protocol

from lodestard.domain.errors import Code, Fault, UpstreamFault
from lodestard.domain.reply import Piece

MANY = 12
LAST_EVENTS = 3  # a finish, the usage and a mark


class Splitter(Protocol):
    """Bytes in any portions → whole events. Both raise ``UpstreamFault`` for what can't be cut into events; whole
    events before it are returned first, and the next call raises.
    """

    def feed(self, data: bytes) -> list[bytes]: ...

    def finish(self) -> list[bytes]:
        """What the end of the stream completes."""
        ...


class Events(Protocol):
    """The meaning of one dialect's events, in the order in which they come."""

    done: bool

    @property
    def ended(self) -> bool:
        """Whether the answer is whole if nothing follows."""
        ...

    def pieces(self, event: bytes) -> list[Piece]:
        """What one event says. Raises ``Fault``."""
        ...


class RunEvents(Events, Protocol):
    """Events that can be read many at once."""

    def words(self, events: list[bytes]) -> Piece | None:
        """One piece for all of them; None where they have to be read one by one."""
        ...


class EventReader:
    """Reads one streamed answer; a ``ReplyReader``."""

    __slots__ = ("_events", "_splitter", "fault")

    body = b""

    def __init__(self, splitter: Splitter, events: Events) -> None:
        self._splitter = splitter
        self._events = events
        self.fault: Fault | None = None

    @property
    def done(self) -> bool:
        return self._events.done

    def feed(self, data: bytes) -> list[Piece]:
        self._raise_fault()
        if self._events.done:
            return []
        try:
            events = self._splitter.feed(data)
        except UpstreamFault as fault:
            self.fault = fault
            raise
        return self._read(events)

    def finish(self) -> list[Piece]:
        self._raise_fault()
        if self._events.done:
            return []
        try:
            events = self._splitter.finish()
        except UpstreamFault as fault:
            self.fault = fault
            raise
        pieces = self._read_last(events)
        self._raise_fault()  # nobody asks again after the end
        if not (self.done or self._events.ended):
            raise cut()
        self._events.done = True
        return pieces

    def _read(self, events: list[bytes]) -> list[Piece]:
        pieces: list[Piece] = []
        for event in events:
            try:
                pieces += self._events.pieces(event)
            except Fault as fault:
                self.fault = fault
                if not pieces:
                    raise
                break
            if self._events.done:
                break
        return pieces

    def _read_last(self, events: list[bytes]) -> list[Piece]:
        """What came without its end: half an event is a cut, not garbage."""
        try:
            return self._read(events)
        except Fault as fault:
            if fault.code is not Code.UPSTREAM_GARBAGE:
                raise
            self.fault = cut()
            raise self.fault from None

    def _raise_fault(self) -> None:
        if self.fault is not None:
            raise self.fault


class RunReader(EventReader):
    """Reads many events at once, where the upstream is so quick that a portion has many."""

    __slots__ = ("_runs",)

    def __init__(self, splitter: Splitter, events: RunEvents) -> None:
        super().__init__(splitter, events)
        self._runs = events

    def _read(self, events: list[bytes]) -> list[Piece]:
        """The first of many events may name the answer, and the last ones end it: those between are words, mostly."""
        if len(events) < MANY:
            return super()._read(events)
        pieces = super()._read(events[:1])
        if self.fault is None and not self.done:
            between = events[1:-LAST_EVENTS]
            words = self._runs.words(between)
            pieces += [words] if words is not None else self._after(pieces, between)
        if self.fault is None and not self.done:
            pieces += self._after(pieces, events[-LAST_EVENTS:])
        return pieces

    def _after(self, pieces: list[Piece], events: list[bytes]) -> list[Piece]:
        """Their pieces; a fault is raised only where nothing came before it."""
        try:
            return super()._read(events)
        except Fault:
            if not pieces:
                raise
            return []


def cut() -> UpstreamFault:
    """The upstream closed before its answer had ended."""
    return UpstreamFault(Code.UPSTREAM_CUT, "The upstream's answer ended in the middle.")
