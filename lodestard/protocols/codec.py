"""What a translator must offer: the shapes that the upstream's sender and the pipeline are written against.

Law: a codec holds no state between requests; what a running answer needs is in its reader or writer, which
lives as long as that one answer.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from lodestard.domain.errors import Fault
from lodestard.domain.reply import Piece, Reply
from lodestard.domain.request import Format, Request
from lodestard.domain.settings import Upstream

JSON_HEADERS = (("content-type", "application/json"),)
STREAM_HEADERS = (*JSON_HEADERS, ("accept", "text/event-stream"))
PLAIN_HEADERS = (*JSON_HEADERS, ("accept", "application/json"))
MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""The largest event of a stream, and the largest plain body, that is taken from an upstream."""


class Emulation(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for by instruction, so that it has to be found in the answer's text.

    ``tools`` are the names of those that may be called, ``single``: one at most. ``opening`` is the bracket that the
    answer's JSON begins with; empty where it may be any text. ``turn`` is how many messages there were: it makes the
    names of calls different from those of other turns.
    """

    tools: tuple[str, ...] = ()
    single: bool = False
    opening: str = ""
    turn: int = 0


class WireRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it goes to an upstream; always a POST.

    ``headers`` are the dialect's own (content type, accepted types, versions). Host, length, key and the
    headers of the configuration are the sender's. ``streamed`` says whether the answer comes in events, and
    ``choices`` how many answers were asked for. ``form`` is what kind of answer comes, in the codec's own words.
    ``passing``: the client speaks this very dialect, so that it gets the upstream's own bytes.

    ``dropped`` are members of the client's request that this one can't carry, by their paths; ``notes`` say what was
    done otherwise than it was asked for (an emulation, a limit), a few words each. Neither holds the client's text.
    ``emulation`` is set where the answer's text has to be read for what the upstream has no words for.
    """

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    streamed: bool
    choices: int = 1
    form: str = "chat"
    passing: bool = False
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    emulation: Emulation | None = None


class ReplyReader(Protocol):
    """Reads one answer of an upstream. Bytes may come in any portions: the pieces are the same.

    When an answer fails, what came before the failure is returned first: ``fault`` is then set, and the next
    ``feed`` (``feed(b"")`` will do) or ``finish`` raises it.
    """

    @property
    def done(self) -> bool:
        """Whether the answer has ended as it should; bytes after that are ignored."""
        ...

    @property
    def fault(self) -> Fault | None:
        """The failure that was met after the pieces that were returned last, or None."""
        ...

    @property
    def body(self) -> bytes:
        """The whole plain body once ``finish`` has read it; empty for a stream."""
        ...

    def feed(self, data: bytes) -> list[Piece]:
        """The pieces that ``data`` completes. Raises ``UpstreamFault`` for garbage and for error events."""
        ...

    def finish(self) -> list[Piece]:
        """The connection said that this was all. Raises ``UpstreamFault(UPSTREAM_CUT)`` when it was not."""
        ...


class UpstreamCodec(Protocol):
    """One dialect that upstreams speak."""

    def write_request(self, request: Request, model: str, settings: Upstream) -> WireRequest:
        """``request`` for ``model``. Raises ``CallerFault(NOT_SUPPORTED)`` for what the dialect can't say."""
        ...

    def takes_format(self, form: Format, model: str) -> bool:
        """Whether ``model`` itself can be held to this form of an answer; otherwise it is asked to by instruction."""
        ...

    def reader(self, wire: WireRequest) -> ReplyReader:
        """A reader for the answer to ``wire``, for a status of 200 to 299."""
        ...

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        """What any other answer says. ``headers`` have lower-case names. Returns the fault, never raises."""
        ...


class StreamWriter(Protocol):
    """Writes one streamed answer to a client."""

    @property
    def content_type(self) -> str: ...

    def open(self) -> bytes:
        """What comes before the first piece (perhaps nothing)."""
        ...

    def write(self, pieces: Sequence[Piece]) -> bytes:
        """The events for these pieces (perhaps none)."""
        ...

    def close(self) -> bytes:
        """The end of a whole answer."""
        ...

    def fail(self, fault: Fault) -> bytes:
        """The end of an answer that broke: the dialect's error event, without its good ending."""
        ...

    def keep_alive(self) -> bytes:
        """A sign of life that no client takes for a part of the answer (empty where the dialect has none)."""
        ...


class ClientCodec(Protocol):
    """One dialect that clients speak, at one of its endpoints."""

    @property
    def dialect(self) -> str:
        """Its name: in ``Request.dialect``, in the ledger, and for errors."""
        ...

    def read_request(self, body: bytes, *, depth: int, headers: Mapping[str, str]) -> Request:
        """A client's body → the request, checked. ``headers``: those of ``heeded`` that came.

        Raises ``CallerFault``: ``INVALID_JSON``, ``INVALID_REQUEST`` and ``NOT_SUPPORTED``, with the path of the
        wrong value as ``param``.
        """
        ...

    @property
    def heeded(self) -> tuple[str, ...]:
        """The header fields that it reads, in lower case."""
        ...

    def stream_writer(self, request: Request, *, created: int, reply_id: str) -> StreamWriter:
        """A writer for one streamed answer. ``created`` is unix seconds."""
        ...

    def write_reply(self, reply: Reply, request: Request, *, created: int, reply_id: str) -> bytes:
        """The whole answer as a plain body."""
        ...


@lru_cache(maxsize=64)
def join_path(url: str, path: str) -> str:
    """``("https://api.openai.com/v1/", "/chat/completions")`` → ``"/v1/chat/completions"``."""
    return urlsplit(url).path.rstrip("/") + path
