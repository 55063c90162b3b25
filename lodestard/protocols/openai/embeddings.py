"""OpenAI's embeddings, as a client sends and gets them: ``/v1/embeddings``.

Law: a vector is written as it came, or as base64 where the client wants that (OpenAI's SDK does unless it is told
otherwise). Source: OpenAI's API reference, "Create embeddings".
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from lodestard.domain.errors import Fault
from lodestard.domain.reply import Choice, Reply
from lodestard.domain.request import Conversation, Embedding, Request
from lodestard.protocols.error_bodies import openai_error
from lodestard.protocols.json_text import decode_typed, read_members
from lodestard.protocols.openai.asked import Model
from lodestard.protocols.openai.completions import Inputs, read_inputs
from lodestard.protocols.vectors import to_base64

DIALECT = "embeddings"
_SAID = frozenset({"model", "input", "encoding_format", "dimensions", "user"})
_encode = msgspec.json.Encoder().encode


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    model: Model
    input: Inputs
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1, le=2**20)] | None = None


_body = msgspec.json.Decoder(_Body)


class OpenAIEmbeddings:
    """A ``ClientCodec``. Has no state."""

    __slots__ = ()

    dialect = DIALECT
    heeded: tuple[str, ...] = ()

    def read_request(self, body: bytes, *, depth: int, headers: Mapping[str, str]) -> Request:  # noqa: ARG002
        return read_request(body, depth=depth)

    def stream_writer(self, request: Request, *, created: int, reply_id: str) -> "NoStream":  # noqa: ARG002
        return NoStream()

    def write_reply(self, reply: Reply, request: Request, *, created: int, reply_id: str) -> bytes:  # noqa: ARG002
        return write_reply(reply, request)


class NoStream:
    """Embeddings are never streamed; a request for them says so, and nobody asks for this."""

    __slots__ = ()

    content_type = "application/json"

    def open(self) -> bytes:
        return b""

    def write(self, pieces: object) -> bytes:  # noqa: ARG002
        return b""

    def close(self) -> bytes:
        return b""

    def fail(self, fault: Fault) -> bytes:
        return _encode(openai_error(fault))

    def keep_alive(self) -> bytes:
        return b""


def read_request(body: bytes, *, depth: int) -> Request:
    """A client's body → the request, checked. Raises ``CallerFault``: see ``ClientCodec``."""
    members = read_members(body, depth=depth)
    typed = decode_typed(_body.decode, body)
    embedding = Embedding(dimensions=typed.dimensions, base64=typed.encoding_format == "base64")
    return Request(
        dialect=DIALECT,
        alias=typed.model,
        stream=False,
        include_usage=False,
        members=members,
        conversation=Conversation(messages=read_inputs(typed.input, "input"), embedding=embedding),
        size_bytes=len(body),
        unsaid=tuple(sorted(members.keys() - _SAID)),
    )


def write_reply(reply: Reply, request: Request) -> bytes:
    """The vectors, in the order of the inputs: the upstream's own body where it passes through, otherwise built."""
    if reply.body:
        return reply.body
    embedding = request.conversation.embedding
    as_base64 = embedding is not None and embedding.base64
    built: dict[str, Any] = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _vector(choice, as_base64=as_base64)}
            for index, choice in enumerate(reply.choices)
        ],
        "model": reply.model or request.alias,
    }
    usage = reply.usage
    prompt_tokens = 0 if usage is None else usage.prompt_tokens
    built["usage"] = {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens}
    return _encode(built)


def _vector(choice: Choice, *, as_base64: bool) -> str | msgspec.Raw:
    if as_base64 and choice.text.startswith("["):
        return to_base64(choice.text)
    return msgspec.Raw(choice.text.encode())
