"""What the writers of OpenAI's streams do alike: chats, completions, and Mistral's gaps.

Law: what an upstream of the client's dialect said goes through byte for byte; only the usage chunk that we asked for,
and the client did not, is left out. Anything else is built from the pieces. Source: OpenAI's API reference,
"Streaming events".
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import msgspec

from lodestard.domain.errors import Fault
from lodestard.domain.reply import Piece
from lodestard.domain.request import Request
from lodestard.domain.usage import Usage
from lodestard.protocols.error_bodies import openai_error
from lodestard.protocols.sse import unframe

DONE = b"data: [DONE]\n\n"
_KEEP_ALIVE = b": keep-alive\n\n"
encode = msgspec.json.Encoder().encode


class _Chunk(msgspec.Struct, frozen=True):
    choices: list[msgspec.Raw] | None = None
    usage: msgspec.Raw = msgspec.Raw()


_chunk = msgspec.json.Decoder(_Chunk)


class EventWriter(ABC):
    """Writes the events of one streamed answer. ``created`` is unix seconds."""

    __slots__ = ("_created", "_include_usage", "_model", "_reply_id", "_usage")

    content_type = "text/event-stream"

    def __init__(self, request: Request, created: int, reply_id: str) -> None:
        self._created = created
        self._reply_id = reply_id
        self._model = request.alias
        self._include_usage = request.include_usage
        self._usage: Usage | None = None

    def open(self) -> bytes:
        """Nothing: all that a client needs comes with its first chunk."""
        return b""

    def write(self, pieces: Sequence[Piece]) -> bytes:
        """The chunks of these pieces."""
        return b"".join([self._pass(piece) if piece.raw else self._build(piece) for piece in pieces])

    @abstractmethod
    def close(self) -> bytes:
        """The usage, where it was asked for and has not been passed through, and the end."""

    def fail(self, fault: Fault) -> bytes:
        """An error event and no ``[DONE]``: OpenAI's SDK raises ``APIError`` for it."""
        return b"data: " + encode(openai_error(fault)) + b"\n\n"

    def keep_alive(self) -> bytes:
        return _KEEP_ALIVE

    def _pass(self, piece: Piece) -> bytes:
        raw = piece.raw
        if piece.usage is not None:
            self._usage = None  # it says so itself
        if not (self._include_usage or piece.text or piece.has_content) and _is_usage_alone(unframe(raw)):
            return b""
        return raw

    @abstractmethod
    def _build(self, piece: Piece) -> bytes:
        """The chunks of a piece of another dialect, or of ours."""


def usage_members(usage: Usage) -> dict[str, Any]:
    """Usage in OpenAI's words, which include what the house's do."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _is_usage_alone(raw: bytes) -> bool:
    """Whether a chunk without content is the one that ``include_usage`` adds, rather than a role or a filter's."""
    try:
        chunk = _chunk.decode(raw)
    except RecursionError:  # it was just read, with a little more of the stack left
        return False
    return not chunk.choices and bytes(chunk.usage) not in (b"", b"null")
