"""Ollama's ``POST /api/generate``, as clients speak it to us: a body → ``Request``; the answer in its lines.

Law: as ``client_read``. A plain prompt is a chat of one message, for the server puts it into the model's
template just so; with ``suffix`` or ``raw`` it is text to be continued. No prompt: the model shall be loaded (or
unloaded), nothing is asked. Source: Ollama's API documentation, "Generate a completion", and ``GenerateHandler``.
"""

from collections.abc import Mapping

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.reply import Reply
from lodestard.domain.request import Completion, Conversation, Message, Part, Request, TextPart
from lodestard.protocols.json_text import Members, decode_typed, read_members
from lodestard.protocols.ollama.client_read import (
    SHARED,
    Asked,
    find_unsaid,
    read_effort,
    read_format,
    read_images,
    read_sampling,
)
from lodestard.protocols.ollama.client_write import GENERATE, LineWriter, write_answer, write_empty

DIALECT = "ollama-generate"

_SAID = SHARED | {"prompt", "suffix", "system", "images", "raw"}


class _Body(Asked, frozen=True, kw_only=True):
    prompt: str | None = None
    suffix: str | None = None
    system: str | None = None
    template: str | None = None
    context: list[int] | None = None
    images: list[str] | None = None
    raw: bool | None = None


_body = msgspec.json.Decoder(_Body)


class OllamaGenerate:
    """``/api/generate``; a ``ClientCodec``. Has no state."""

    __slots__ = ()

    dialect = DIALECT
    heeded: tuple[str, ...] = ()

    def read_request(self, body: bytes, *, depth: int, headers: Mapping[str, str]) -> Request:  # noqa: ARG002
        members = read_members(body, depth=depth)
        typed = decode_typed(_body.decode, body)
        if typed.raw and (typed.template or typed.system or typed.context):
            text = "'raw' goes with neither 'system' nor 'template' nor 'context'."
            raise CallerFault(Code.INVALID_REQUEST, text, param="raw")
        return Request(
            dialect=DIALECT,
            alias=typed.model,
            stream=typed.stream is not False,
            include_usage=True,
            members=members,
            conversation=_conversation(typed),
            size_bytes=len(body),
            unsaid=_unsaid(typed, members),
        )

    def stream_writer(self, request: Request, *, created: int, reply_id: str) -> LineWriter:  # noqa: ARG002
        return LineWriter(request, GENERATE, created)

    def write_reply(self, reply: Reply, request: Request, *, created: int, reply_id: str) -> bytes:  # noqa: ARG002
        return write_answer(reply, request, GENERATE, created)

    def write_empty(self, request: Request, reason: str, *, created: int) -> bytes:
        """What comes of a request without a prompt: ``reason`` is load or unload."""
        return write_empty(request, GENERATE, reason, created)


def _unsaid(typed: _Body, members: Members) -> tuple[str, ...]:
    """A system's message has no place where a gap is filled: the server's own template leaves it out there too."""
    said = _SAID - {"system"} if _continues(typed) else _SAID
    return find_unsaid(members, said)


def _continues(typed: _Body) -> bool:
    return bool(typed.suffix or typed.raw)


def _conversation(typed: _Body) -> Conversation:
    return Conversation(
        messages=_messages(typed),
        sampling=read_sampling(typed),
        format=read_format(typed.format),
        reasoning_effort=read_effort(typed.think),
        logprobs=bool(typed.logprobs),
        top_logprobs=typed.top_logprobs if typed.logprobs else None,
        completion=Completion(suffix=typed.suffix or None, raw=bool(typed.raw)) if _continues(typed) else None,
    )


def _messages(typed: _Body) -> tuple[Message, ...]:
    if not (typed.prompt or typed.suffix):
        return ()
    parts: tuple[Part, ...] = (TextPart(typed.prompt or ""),)
    asked = Message(role="user", parts=parts + read_images(typed.images, "images"))
    if typed.system and not _continues(typed):
        return (Message(role="system", parts=(TextPart(typed.system),)), asked)
    return (asked,)
