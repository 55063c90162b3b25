"""Answers of OpenAI's ``/completions`` and ``/embeddings`` → pieces.

Law: as for chats (``stream``, ``plain``): each event's own bytes ride along where the client speaks the
same dialect, and an answer is whole when each choice said how it finished. A prompt that comes before its answer is
taken off: pieces have nothing of it. Source: OpenAI's API reference, "The completion object", "The embedding object".
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta

from lodestard.domain.reply import Piece
from lodestard.domain.usage import Usage
from lodestard.protocols.codec import ReplyReader, WireRequest
from lodestard.protocols.event_reader import EventReader
from lodestard.protocols.openai.answer import (
    ABSENT,
    Answer,
    Choice,
    decode,
    garbage,
    read_extra,
    read_finish,
    read_names,
)
from lodestard.protocols.openai.errors import stream_fault
from lodestard.protocols.openai.logprobs import to_chat
from lodestard.protocols.openai.plain import PlainReader
from lodestard.protocols.openai.stream import ChatChunks, open_stream
from lodestard.protocols.openai.text_upstream import EMBEDDING, FIM
from lodestard.protocols.openai.usage import read_tier, read_usage
from lodestard.protocols.sse import SseParser, frame
from lodestard.protocols.vectors import require_vector
from lodestard.protocols.whole_reader import WholeReader, broken

_NO_TEXT = "The upstream sent something that is no part of a text completion."
_NO_VECTORS = "The upstream sent something that is not the vectors that were asked for."
_Echoes = dict[int, str]
MAX_VECTORS_BYTES = 64 * 1024 * 1024
"""The most inputs at once, 2,048, of 3,072 numbers each are 34 MB in base64. They are paid for when they come."""


class _Asked(msgspec.Struct, frozen=True):
    """What a request says that was sent: whether the answer begins with the prompt, and which."""

    echo: bool | None = None
    prompt: str | list[msgspec.Raw] | None = None


_asked = msgspec.json.Decoder(_Asked)
_text = msgspec.json.Decoder(str)


def open_text(wire: WireRequest) -> ReplyReader:
    """A reader for the answer to a completion or an embedding."""
    if wire.form == EMBEDDING:
        read = partial(_read_embeddings, choices=wire.choices)
        return WholeReader(read, passing=wire.passing, most_bytes=MAX_VECTORS_BYTES)
    if wire.form == FIM:  # it has a chat's shape
        return open_stream(wire.choices, passing=wire.passing) if wire.streamed else PlainReader(passing=wire.passing)
    echoes = find_echoes(wire)
    if wire.streamed:
        return EventReader(SseParser(), TextChunks(wire.choices, echoes, passing=wire.passing))
    return WholeReader(partial(_read_completion, echoes=echoes), passing=wire.passing)


def find_echoes(wire: WireRequest) -> _Echoes:
    """The prompt that comes before each choice, by its index, where the upstream was asked for that."""
    if b'"echo"' not in wire.body:
        return {}
    asked = _asked.decode(wire.body)
    if not asked.echo or asked.prompt is None:
        return {}
    if isinstance(asked.prompt, str):
        return dict.fromkeys(range(wire.choices), asked.prompt)
    texts = [_text.decode(raw) if bytes(raw).startswith(b'"') else "" for raw in asked.prompt]
    each = max(1, wire.choices // max(1, len(texts)))
    return {index: texts[index // each] for index in range(min(wire.choices, each * len(texts)))}


class TextChunks(ChatChunks):
    """What the chunks of one streamed completion say, one after the other."""

    __slots__ = ("_echoes",)

    def __init__(self, choices: int, echoes: Mapping[int, str] | None = None, *, passing: bool = True) -> None:
        super().__init__(choices, passing=passing)
        self._echoes = dict(echoes or {})

    def _word(self, choice: Choice, event: bytes) -> Piece | None:
        if type(choice.text) is not str or choice.finish_reason:
            return None
        if choice.logprobs is not ABSENT and bytes(choice.logprobs) != b"null":
            return None
        self._seen.add(choice.index)
        text = self._bare(choice.index, choice.text) if self._echoes else choice.text
        return Piece(choice=choice.index, text=text, raw=frame(event) if self._passing else b"")

    def _piece(self, chunk: Answer, choice: Choice | None, event: bytes, usage: Usage | None) -> Piece:
        piece = super()._piece(chunk, choice, event, usage)
        if choice is None:
            return piece
        text = self._bare(choice.index, choice.text or "")
        return msgspec.structs.replace(piece, text=text, logprobs=_read_logprobs(choice))

    def _bare(self, choice: int, text: str) -> str:
        """``text`` without what it has of the prompt that comes first."""
        echo = self._echoes.get(choice)
        if not echo:
            return text
        size = _shared(echo, text)
        rest = echo[size:]
        self._echoes[choice] = rest if size == len(text) else ""  # what differs is the answer
        return text[size:]


def _shared(echo: str, text: str) -> int:
    """How many characters ``text`` has of the beginning of ``echo``: all that either has, or none."""
    size = min(len(echo), len(text))
    return size if echo[:size] == text[:size] else 0


def _read_logprobs(choice: Choice) -> msgspec.Raw | None:
    raw = choice.logprobs
    return None if raw is ABSENT or bytes(raw) == b"null" else to_chat(raw)


def _read_completion(body: bytes, *, passing: bool, echoes: _Echoes) -> list[Piece]:
    try:
        return _completion_pieces(body, echoes, passing=passing)
    except (ValueError, RecursionError):
        raise broken(body, garbage(_NO_TEXT)) from None


def _completion_pieces(body: bytes, echoes: _Echoes, *, passing: bool) -> list[Piece]:
    answer = decode(body)
    if not answer.choices or any(choice.text is None for choice in answer.choices):
        raise garbage(_NO_TEXT)
    known_id, model, created = read_names(answer)
    pieces = [_whole(choice, echoes) for choice in answer.choices]
    extra = read_extra(body) if passing else None
    usage = read_usage(answer.usage, read_tier(answer.service_tier))
    pieces.append(Piece(usage=usage, extra=extra, id=known_id, model=model, created=created))
    return pieces


def _whole(choice: Choice, echoes: _Echoes) -> Piece:
    text = choice.text or ""
    return Piece(
        choice=choice.index,
        text=text.removeprefix(echoes.get(choice.index, "")),
        logprobs=_read_logprobs(choice),
        finish=read_finish(choice.finish_reason),
    )


# -- embeddings ------------------------------------------------------------------------------------------------------

_Index = Annotated[int, Meta(ge=0, le=65_535)]
_Count = Annotated[int, Meta(ge=0, le=10**10)]


class _Vector(msgspec.Struct, frozen=True):
    embedding: msgspec.Raw
    index: _Index = 0


class _Vectors(msgspec.Struct, frozen=True):
    data: list[_Vector] | None = None
    model: str | None = None
    usage: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT


class _Usage(msgspec.Struct, frozen=True):
    """What embeddings count; some servers leave out the first, and OpenAI leaves out what is written: nothing."""

    prompt_tokens: _Count | None = None
    total_tokens: _Count | None = None


_vectors = msgspec.json.Decoder(_Vectors)
_usage = msgspec.json.Decoder(_Usage)


def _read_embeddings(body: bytes, *, passing: bool, choices: int) -> list[Piece]:
    try:
        return _embedding_pieces(body, choices, passing=passing)
    except (ValueError, RecursionError):
        raise broken(body, garbage(_NO_VECTORS)) from None


def _embedding_pieces(body: bytes, choices: int, *, passing: bool) -> list[Piece]:
    answer = _vectors.decode(body)
    if answer.error is not ABSENT and bytes(answer.error) != b"null":
        raise stream_fault(body)
    vectors: Sequence[_Vector] = sorted(answer.data or (), key=_place)
    if len(vectors) != choices or (choices > 1 and [one.index for one in vectors] != list(range(choices))):
        raise garbage(_NO_VECTORS)
    pieces = [
        Piece(choice=place, text=_vector_text(one.embedding, passing=passing), finish="stop")
        for place, one in enumerate(vectors)
    ]
    usage = _read_embedding_usage(answer.usage)
    pieces.append(Piece(usage=usage, model=answer.model or "", extra=None))
    return pieces


def _place(vector: _Vector) -> int:
    return vector.index


def _vector_text(raw: msgspec.Raw, *, passing: bool) -> str:
    """A vector's text; base64 only where it goes on as it came."""
    data = bytes(raw)
    if passing and data.startswith(b'"'):
        _text.decode(data)
        return data.decode()
    return require_vector(raw)


def _read_embedding_usage(raw: msgspec.Raw) -> Usage | None:
    """The larger of what is told; where nothing is, None."""
    try:
        said = _usage.decode(raw)
    except (ValueError, RecursionError):
        return None
    tokens = max(said.prompt_tokens or 0, said.total_tokens or 0)
    return Usage(prompt_tokens=tokens) if tokens else None
