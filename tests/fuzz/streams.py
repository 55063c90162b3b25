"""Targets that read streams of models: events, lines, chunks of a chat, and the answers that carry them.

A target takes bytes, and raises ``AssertionError`` where an invariant does not hold, or what was not promised.
"""

import itertools
import random
import re
from collections.abc import Callable, Iterator

import msgspec

from lodestard.domain.errors import Fault, UpstreamFault
from lodestard.protocols.anthropic.stream import open_stream as open_messages
from lodestard.protocols.codec import ReplyReader
from lodestard.protocols.event_reader import EventReader, Splitter
from lodestard.protocols.gemini.answer import Responses
from lodestard.protocols.ndjson import LineParser
from lodestard.protocols.openai.stream import open_stream
from lodestard.protocols.responses.stream import open_stream as open_responses
from lodestard.protocols.sse import SseParser
from lodestard.upstream.answer import MAX_HEAD_BYTES, AnswerReader
from lodestard.upstream.faults import Lost, Malformed

SMALL_BYTES, LARGE_BYTES = 24, 1 << 20
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


def portions(data: bytes, how: int) -> Iterator[bytes]:
    """``data`` cut in the way that ``how`` names: by the byte, in sevens, or anywhere."""
    luck = random.Random(how)
    sizes = itertools.cycle((1,)) if how % 3 == 0 else itertools.cycle((7,)) if how % 3 == 1 else None
    at = 0
    while at < len(data):
        size = next(sizes) if sizes else luck.randint(1, 40)
        yield data[at : at + size]
        at += size


def _split_with(parser: Splitter, parts: Iterator[bytes]) -> tuple[list[bytes], str]:
    events: list[bytes] = []
    try:
        for part in parts:
            events += parser.feed(part)
        events += parser.finish()
    except UpstreamFault as fault:
        return events, fault.code
    return events, ""


def _check_splitter(make: Callable[[int], Splitter], plain: Callable[[bytes], list[bytes]], data: bytes) -> None:
    how, stream = (data[0], data[1:]) if data else (0, b"")
    for bound in (SMALL_BYTES, LARGE_BYTES):
        whole = _split_with(make(bound), iter([stream]))
        assert _split_with(make(bound), portions(stream, how)) == whole, "portions matter"
        assert sum(map(len, whole[0])) <= len(stream), "more came out than went in"
        assert not whole[1] or bound == SMALL_BYTES, "refused although it is small"
        if not whole[1]:
            assert whole[0] == plain(stream), "another reading than the plain one"


def sse(data: bytes) -> None:
    """Events are the same however they are portioned, and those of the standard read naively."""
    _check_splitter(SseParser, _plain_sse, data)


def _plain_sse(stream: bytes) -> list[bytes]:
    events: list[bytes] = []
    gathered: bytes | None = None
    lines = _LINE_END.split(stream.removeprefix(_BOM))[:-1]  # what has no end is no line
    for line in lines:
        name, _, value = line.partition(b":")
        if not line:
            events += [] if gathered is None else [gathered]
            gathered = None
        elif name == b"data":
            value = value.removeprefix(b" ")
            gathered = value if gathered is None else gathered + b"\n" + value
    return events


def ndjson(data: bytes) -> None:
    """Lines are the same however they are portioned."""
    _check_splitter(LineParser, _plain_lines, data)


def _plain_lines(stream: bytes) -> list[bytes]:
    stripped = [line.strip(b" \t\r") for line in stream.removeprefix(_BOM).split(b"\n")]
    return [line for line in stripped if line]


def chat_chunks(data: bytes) -> None:
    """Pieces and the end of a streamed chat are the same however it is portioned; only faults are raised."""
    how, stream = (data[0], data[1:]) if data else (0, b"")
    choices = how % 2 + 1
    whole = _read_pieces(open_stream(choices), iter([stream]))
    assert _read_pieces(open_stream(choices), portions(stream, how)) == whole, "portions matter"


def response_events(data: bytes) -> None:
    """The same of the Responses API; a client of another dialect gets the same answer without the bytes."""
    how, stream = (data[0], data[1:]) if data else (0, b"")
    passing = bool(how % 2)
    whole = _read_pieces(open_responses(passing=passing), iter([stream]))
    assert _read_pieces(open_responses(passing=passing), portions(stream, how)) == whole, "portions matter"


def _read_pieces(reader: ReplyReader, parts: Iterator[bytes]) -> tuple[bytes, str]:
    pieces = []
    try:
        for part in parts:
            pieces += reader.feed(part)
        pieces += reader.finish()
    except Fault as fault:
        assert not reader.done, "an answer that failed is done"
        return msgspec.json.encode(pieces), fault.code
    assert reader.done, "neither whole nor refused"
    return msgspec.json.encode(pieces), ""


def message_events(data: bytes) -> None:
    """Pieces and the end of a streamed message are the same however it is portioned, and what passes is what came."""
    how, stream = (data[0], data[1:]) if data else (0, b"")
    for passing in (False, True):
        whole = _read_message(iter([stream]), passing=passing)
        assert _read_message(portions(stream, how), passing=passing) == whole, "portions matter"


def _read_message(parts: Iterator[bytes], *, passing: bool) -> tuple[bytes, str]:
    reader, pieces = open_messages(passing=passing), []
    try:
        for part in parts:
            pieces += reader.feed(part)
        pieces += reader.finish()
    except Fault as fault:
        return msgspec.json.encode(pieces), fault.code
    assert reader.done, "neither whole nor refused"
    return msgspec.json.encode(pieces), ""


def gemini_responses(data: bytes) -> None:
    """The same of Gemini's answers, whose end is the connection's."""
    how, stream = (data[0], data[1:]) if data else (0, b"")
    choices = how % 2 + 1
    whole = _read_pieces(EventReader(SseParser(), Responses(choices)), iter([stream]))
    again = _read_pieces(EventReader(SseParser(), Responses(choices)), portions(stream, how))
    assert again == whole, "portions matter"


def answer(data: bytes) -> None:
    """An upstream's answer is the same however it is portioned, and whatever follows it only costs the connection."""
    how, stream = (data[0], data[1:]) if data else (0, b"")
    whole = read_answer(iter([stream]) if stream else iter([]))
    assert read_answer(portions(stream, how)) == whole, "portions matter"
    if whole[0] == "whole" and whole[-1]:
        more = read_answer(iter([stream + b"HTTP/1.1 200 \x1b\r\n\r\n"]))
        assert more[:-1] == whole[:-1], "what follows an answer changes it"
        assert not more[-1], "a connection is used again with bytes left over"


def read_answer(parts: Iterator[bytes]) -> tuple[object, ...]:
    """How it ended, the status, the fields and the body as far as it came; whether the connection goes on."""
    reader, body, ended = AnswerReader(), b"", ""
    try:
        for part in parts:
            reader.feed(part)
            body += reader.take()
            if reader.complete:
                ended = "whole"
        if not ended:
            reader.feed_eof()
            ended = "delimited"
    except Malformed:
        return ("malformed",)
    except Lost:
        return "lost", reader.status, body, False
    assert sum(len(name) + len(value) for name, value in reader.fields) <= MAX_HEAD_BYTES
    return ended, reader.status, reader.fields, body, reader.reusable
