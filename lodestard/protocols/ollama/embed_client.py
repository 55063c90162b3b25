"""Ollama's ``POST /api/embed`` and the older ``/api/embeddings``, as clients speak them to us.

Law: a vector goes to the client digit for digit as it came. Nothing to embed: the model shall be loaded.
Source: Ollama's API documentation, "Generate embeddings", and its ``EmbedHandler`` and ``EmbeddingsHandler``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from lodestard.domain.reply import Reply
from lodestard.domain.request import Conversation, Embedding, Message, Request, TextPart
from lodestard.protocols.json_text import decode_typed, read_members
from lodestard.protocols.ollama.client_read import find_unsaid
from lodestard.protocols.ollama.client_write import GENERATE, LineWriter

ReadTalk = Callable[[bytes], tuple[str, Conversation]]
Write = Callable[[Reply, Request], bytes]
_Model = Annotated[str, Meta(min_length=1, max_length=512)]
SAID = frozenset({"model", "input", "options", "dimensions"})
SAID_OF_ONE = frozenset({"model", "prompt", "options"})


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    model: _Model
    input: str | list[str] | None = None
    truncate: bool | None = None
    dimensions: Annotated[int, Meta(ge=0, le=2**20)] | None = None
    options: dict[str, msgspec.Raw] | None = None


class _BodyOfOne(msgspec.Struct, frozen=True, kw_only=True):
    model: _Model
    prompt: str | None = None
    options: dict[str, msgspec.Raw] | None = None


_body = msgspec.json.Decoder(_Body)
_body_of_one = msgspec.json.Decoder(_BodyOfOne)


class VectorClient:
    """A ``ClientCodec``. Has no state."""

    __slots__ = ("_read", "_said", "_write", "dialect")

    heeded: tuple[str, ...] = ()

    def __init__(self, dialect: str, said: frozenset[str], read: ReadTalk, write: Write) -> None:
        self.dialect = dialect
        self._said = said
        self._read = read
        self._write = write

    def read_request(self, body: bytes, *, depth: int, headers: Mapping[str, str]) -> Request:  # noqa: ARG002
        members = read_members(body, depth=depth)
        model, talk = self._read(body)
        return Request(
            dialect=self.dialect,
            alias=model,
            stream=False,
            include_usage=True,
            members=members,
            conversation=talk,
            size_bytes=len(body),
            unsaid=find_unsaid(members, self._said),
        )

    def stream_writer(self, request: Request, *, created: int, reply_id: str) -> LineWriter:  # noqa: ARG002
        return LineWriter(request, GENERATE, created)  # nobody asks for it: vectors are not streamed

    def write_reply(self, reply: Reply, request: Request, *, created: int, reply_id: str) -> bytes:  # noqa: ARG002
        return self._write(reply, request)

    def write_empty(self, request: Request, reason: str, *, created: int) -> bytes:  # noqa: ARG002
        """What comes of a request without inputs."""
        return self._write(Reply(), request)


def read_embed(body: bytes) -> tuple[str, Conversation]:
    """The model and what is asked of it. Raises ``CallerFault``."""
    typed = decode_typed(_body.decode, body)
    texts = [typed.input] if isinstance(typed.input, str) and typed.input else typed.input or ()
    return typed.model, _talk(
        texts, Embedding(dimensions=typed.dimensions or None, truncate=typed.truncate is not False)
    )


def read_embeddings(body: bytes) -> tuple[str, Conversation]:
    """The same of the older endpoint, which takes one text."""
    typed = decode_typed(_body_of_one.decode, body)
    return typed.model, _talk([typed.prompt] if typed.prompt else (), Embedding(truncate=True))


def _talk(texts: Sequence[str], wanted: Embedding) -> Conversation:
    messages = tuple([Message(role="user", parts=(TextPart(text),)) for text in texts])
    return Conversation(messages=messages, embedding=wanted)
