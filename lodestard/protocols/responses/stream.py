"""Streamed answers of OpenAI's Responses API: events → pieces.

Law: each event's own bytes ride along in ``raw`` where the client speaks the same dialect. What comes in deltas is
taken from them, and what came without any from the item's end or, at last, from the whole response. An answer is
whole only with its ``response.completed`` or ``response.incomplete``. Source: OpenAI's API reference, "Streaming
events" of the Responses API.
"""

import re
from collections.abc import Callable, Mapping, Sequence

import msgspec

from lodestard.domain.reply import Piece, ToolCallPiece
from lodestard.protocols.event_reader import EventReader, cut
from lodestard.protocols.openai.errors import stream_fault
from lodestard.protocols.openai.usage import read_tier
from lodestard.protocols.responses.answer import (
    ABSENT,
    NOTHING,
    PARAGRAPH,
    Item,
    Response,
    decode_response,
    failure,
    garbage,
    gather,
    join_logprobs,
    read_ending,
    read_extra,
    read_item,
    read_names,
)
from lodestard.protocols.responses.usage import read_usage
from lodestard.protocols.sse import SseParser, frame

_TEXT = "response.output_text.delta"
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,128}")
_NO_LOGPROBS = (b"", b"null", b"[]")
_LAST_PLACE = 4095


class _Event(msgspec.Struct, frozen=True):
    """Any event: the members that the house reads of one kind or another."""

    type: str = ""
    delta: object = None
    output_index: object = None
    summary_index: object = None
    logprobs: msgspec.Raw = ABSENT
    arguments: object = None
    input: object = None
    item: msgspec.Raw = ABSENT
    response: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT

    @property
    def place(self) -> int:
        """Of which output item it is; some servers do not say."""
        place = self.output_index
        return place if type(place) is int and 0 <= place <= _LAST_PLACE else -1

    @property
    def text(self) -> str:
        return self.delta if type(self.delta) is str else ""


class _Calling:
    """A call that has begun: its number among the calls, and whether any of its arguments have come."""

    __slots__ = ("argued", "index")

    def __init__(self, index: int) -> None:
        self.index = index
        self.argued = False


_event = msgspec.json.Decoder(_Event)
Reading = Callable[["ResponseEvents", _Event], Piece | None]


def open_stream(*, passing: bool = True) -> EventReader:
    """A reader for a streamed answer. ``passing``: the client speaks this dialect."""
    return EventReader(SseParser(), ResponseEvents(passing=passing))


class ResponseEvents:
    """What the events of one streamed answer say, one after the other."""

    __slots__ = ("_calling", "_calls", "_named", "_odd", "_passing", "_said", "_thinking", "_told", "done")

    ended = False  # nothing but its last event says that an answer is whole

    def __init__(self, *, passing: bool = True) -> None:
        self._passing = passing
        self._named = self._odd = self._said = self._thinking = False
        self._calls = 0
        self._calling: dict[int, _Calling] = {}
        self._told: set[int] = set()  # items whose text came in deltas
        self.done = False

    def pieces(self, event: bytes) -> list[Piece]:
        if event == b"[DONE]":
            raise cut()
        try:
            piece = self._read(event)
        except (ValueError, RecursionError):
            raise garbage() from None
        return [] if piece is None else [piece]

    def _read(self, event: bytes) -> Piece | None:
        said = _event.decode(event)
        raw = _frame(said.type, event) if self._passing else b""
        if said.type == _TEXT:
            return self._word(said, raw)
        reading = _READINGS.get(said.type)
        if reading is None:
            if said.type == "error" or bytes(said.error) not in NOTHING:
                raise stream_fault(event)
            return Piece(raw=raw) if raw else None
        piece = reading(self, said)
        if piece is None:
            return Piece(raw=raw) if raw else None
        if piece.has_content:
            self._said = True
        return msgspec.structs.replace(piece, raw=raw) if raw else piece

    def _word(self, said: _Event, raw: bytes) -> Piece:
        """What nearly every event of an answer is: a little text."""
        self._said = True
        self._told.add(said.place)
        text = said.text
        if bytes(said.logprobs) in _NO_LOGPROBS:
            return Piece(text=text, raw=raw)
        return Piece(text=text, logprobs=join_logprobs((said.logprobs,)), raw=raw)

    def refusal(self, said: _Event) -> Piece:
        self._told.add(said.place)
        return Piece(refusal=said.text)

    def reasoning(self, said: _Event) -> Piece:
        self._told.add(said.place)
        self._thinking = True
        return Piece(reasoning=said.text)

    def next_thought(self, _said: _Event) -> Piece | None:
        """Another part of what was thought begins."""
        return Piece(reasoning=PARAGRAPH) if self._thinking else None

    def begin(self, said: _Event) -> Piece | None:
        """The answer begins: the first to say so names it."""
        if self._named or said.response is ABSENT:
            return None
        return self._names(decode_response(said.response))

    def _names(self, response: Response) -> Piece:
        self._named = True
        known_id, model, created = read_names(response)
        return Piece(id=known_id, model=model, created=created)

    def begin_item(self, said: _Event) -> Piece | None:
        """An item begins. A call's arguments come later, whatever stands there now."""
        item = read_item(said.item)
        self._odd |= item.odd
        if item.call is None or not (item.call.call_id and item.call.name):
            return None
        calling = self._calling[said.place] = _Calling(self._count(1))
        return Piece(tool_calls=(ToolCallPiece(calling.index, item.call.call_id, item.call.name),))

    def argue(self, said: _Event) -> Piece | None:
        calling = self._calling.get(said.place)
        if calling is None or not said.text:
            return None  # it never began: it is told at its end
        calling.argued = True
        return Piece(tool_calls=(ToolCallPiece(calling.index, arguments=said.text),))

    def end_arguments(self, said: _Event) -> Piece | None:
        whole = said.arguments if said.arguments is not None else said.input
        return self._settle(said.place, whole) if isinstance(whole, str) else None

    def _settle(self, place: int, whole: str) -> Piece | None:
        """All arguments of a call of which none came in deltas."""
        calling = self._calling.get(place)
        if calling is None or calling.argued or not whole:
            return None
        calling.argued = True
        return Piece(tool_calls=(ToolCallPiece(calling.index, arguments=whole),))

    def end_item(self, said: _Event) -> Piece | None:
        item = read_item(said.item)
        self._odd |= item.odd
        if item.call is not None:
            piece = self._settle(said.place, item.call.text)
            begun = self._calling.pop(said.place, None) is not None
            return piece if begun else self._gather([item])
        if said.place in self._told:
            self._told.discard(said.place)
            return Piece(thoughts=item.thoughts) if item.thoughts else None
        self._thinking |= bool(item.reasoning)
        return self._gather([item])

    def end(self, said: _Event) -> Piece:
        """The last event of an answer. Raises the fault of one that failed."""
        response = decode_response(said.response)
        if said.type == "response.incomplete":
            response = msgspec.structs.replace(response, status="incomplete")
        whole = self._all(response)
        finish = read_ending(response, calls=self._calls > 0, odd=self._odd and self._passing)
        names = _NAMELESS if self._named else self._names(response)
        piece = msgspec.structs.replace(
            whole,
            finish=finish,
            usage=read_usage(response.usage, read_tier(response.service_tier)),
            extra=read_extra(bytes(said.response)) if self._passing else None,
            id=names.id,
            model=names.model,
            created=names.created,
        )
        self.done = True
        return piece

    def fail(self, said: _Event) -> Piece | None:
        """Raises its fault."""
        raise failure(decode_response(said.response))

    def _all(self, response: Response) -> Piece:
        """The whole answer, where nothing of it has come before its end."""
        if self._said:
            return _NAMELESS
        items = [read_item(raw) for raw in response.output or ()]
        self._odd |= any(item.odd for item in items)
        return self._gather(items)

    def _gather(self, items: Sequence[Item]) -> Piece:
        piece = gather(items, self._calls)
        self._count(len(piece.tool_calls))
        return piece

    def _count(self, calls: int) -> int:
        """The number of the next call, with which so many begin."""
        first = self._calls
        self._calls += calls
        if self._calls > _LAST_PLACE:
            raise garbage()
        return first


_NAMELESS = Piece()
_READINGS: Mapping[str, Reading] = {
    "response.created": ResponseEvents.begin,
    "response.in_progress": ResponseEvents.begin,
    "response.queued": ResponseEvents.begin,
    "response.refusal.delta": ResponseEvents.refusal,
    "response.reasoning_text.delta": ResponseEvents.reasoning,
    "response.reasoning_summary_text.delta": ResponseEvents.reasoning,
    "response.reasoning_summary_part.added": ResponseEvents.next_thought,
    "response.output_item.added": ResponseEvents.begin_item,
    "response.function_call_arguments.delta": ResponseEvents.argue,
    "response.custom_tool_call_input.delta": ResponseEvents.argue,
    "response.function_call_arguments.done": ResponseEvents.end_arguments,
    "response.custom_tool_call_input.done": ResponseEvents.end_arguments,
    "response.output_item.done": ResponseEvents.end_item,
    "response.completed": ResponseEvents.end,
    "response.incomplete": ResponseEvents.end,
    "response.failed": ResponseEvents.fail,
    "response.cancelled": ResponseEvents.fail,
}


def _frame(name: str, event: bytes) -> bytes:
    """The event as it is sent on, with its name where it has one that is a name."""
    if name not in _READINGS and not _NAME.fullmatch(name):
        return frame(event)
    return b"event: %b\n%b" % (name.encode(), frame(event))
