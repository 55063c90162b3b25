"""Ollama's ``POST /api/embed`` and the older ``/api/embeddings``, as clients speak them to us.

Law: a vector goes to the client digit for digit as it came. Nothing to embed: the model shall be loaded.
Source: Ollama's API documentation, "Generate embeddings", and its ``EmbedHandler`` and ``EmbeddingsHandler``.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from lodestard.domain.reply import Reply
from lodestard.domain.request import Conversation, Embedding, Message, Request, TextPart
from lodestard.protocols.json_text import Members, decode_typed, read_members
from lodestard.protocols.ollama.client_read import find_unsaid
from lodestard.protocols.ollama.client_write import GENERATE, LineWriter, write_embedding, write_embeddings

_Model = Annotated[str, Meta(min_length=1, max_length=512)]
_SAID = frozenset({"model", "input", "options", "dimensions"})
_SAID_OF_ONE = frozenset({"model", "prompt", "options"})


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


class OllamaEmbed:
    """``/api/embed``; a ``ClientCodec``. Has no state."""

    __slots__ = ()

    dialect = "ollama-embed"
    heeded: tuple[str, ...] = ()

    def read_request(self, body: bytes, *, depth: int, headers: Mapping[str, str]) -> Request:  # noqa: ARG002
        members = read_members(body, depth=depth)
        typed = decode_typed(_body.decode, body)
        texts = [typed.input] if isinstance(typed.input, str) and typed.input else typed.input or ()
        wanted = Embedding(dimensions=typed.dimensions or None, truncate=typed.truncate is not False)
        return _request(self.dialect, typed.model, _talk(texts, wanted), members, body)

    def stream_writer(self, request: Request, *, created: int, reply_id: str) -> LineWriter:  # noqa: ARG002
        return LineWriter(request, GENERATE, created)  # nobody asks for it: vectors are not streamed

    def write_reply(self, reply: Reply, request: Request, *, created: int, reply_id: str) -> bytes:  # noqa: ARG002
        return write_embeddings(reply, request)

    def write_empty(self, request: Request, reason: str, *, created: int) -> bytes:  # noqa: ARG002
        """What comes of a request without inputs."""
        return write_embeddings(Reply(), request)


class OllamaEmbeddings:
    """``/api/embeddings``, with one text; a ``ClientCodec``. Has no state."""

    __slots__ = ()

    dialect = "ollama-embeddings"
    heeded: tuple[str, ...] = ()

    def read_request(self, body: bytes, *, depth: int, headers: Mapping[str, str]) -> Request:  # noqa: ARG002
        members = read_members(body, depth=depth)
        typed = decode_typed(_body_of_one.decode, body)
        texts = [typed.prompt] if typed.prompt else ()
        talk = _talk(texts, Embedding(truncate=True))
        return _request(self.dialect, typed.model, talk, members, body)

    def stream_writer(self, request: Request, *, created: int, reply_id: str) -> LineWriter:  # noqa: ARG002
        return LineWriter(request, GENERATE, created)  # nobody asks for it: vectors are not streamed

    def write_reply(self, reply: Reply, request: Request, *, created: int, reply_id: str) -> bytes:  # noqa: ARG002
        return write_embedding(reply)

    def write_empty(self, request: Request, reason: str, *, created: int) -> bytes:  # noqa: ARG002
        """What comes of a request without a prompt."""
        return write_embedding(Reply())


def _talk(texts: Sequence[str], wanted: Embedding) -> Conversation:
    messages = tuple([Message(role="user", parts=(TextPart(text),)) for text in texts])
    return Conversation(messages=messages, embedding=wanted)


def _request(dialect: str, alias: str, talk: Conversation, members: Members, body: bytes) -> Request:
    said = _SAID if dialect == OllamaEmbed.dialect else _SAID_OF_ONE
    return Request(
        dialect=dialect,
        alias=alias,
        stream=False,
        include_usage=True,
        members=members,
        conversation=talk,
        size_bytes=len(body),
        unsaid=find_unsaid(members, said),
    )
