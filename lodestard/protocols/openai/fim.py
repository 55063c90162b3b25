"""Mistral's fill-in-the-middle, as a client sends and gets it: ``/v1/fim/completions``.

Law: a prompt and what comes after the gap; the answer has a chat completion's shape, and its usage stands in the last
chunk: editors read ``choices[0]`` of every chunk. Source: Mistral's API reference, "Fim completion", and the types of
its Python SDK (``FIMCompletionRequest``, ``FIMCompletionResponse``, ``CompletionChunk``).
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from lodestard.domain.reply import Piece, Reply
from lodestard.domain.request import Completion, Conversation, Message, Request, Sampling, TextPart
from lodestard.protocols.json_text import decode_typed, read_members
from lodestard.protocols.openai.asked import Model, Seed, read_stops
from lodestard.protocols.openai.completions_write import finish_word
from lodestard.protocols.openai.event_writer import DONE, EventWriter, encode, usage_members

DIALECT = "fim"
_SAID = frozenset(
    {"model", "prompt", "suffix", "stream", "stream_options", "max_tokens", "stop", "temperature", "top_p", "seed",
     "random_seed"}
)  # fmt: skip
_LABELS = frozenset({"user", "metadata", "prompt_cache_key"})


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    model: Model
    prompt: str
    suffix: str | None = None
    stream: bool | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    stop: str | list[str] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    random_seed: Seed | None = None
    seed: Seed | None = None


_body = msgspec.json.Decoder(_Body)


class MistralFim:
    """A ``ClientCodec``. Has no state."""

    __slots__ = ()

    dialect = DIALECT
    heeded: tuple[str, ...] = ()

    def read_request(self, body: bytes, *, depth: int, headers: Mapping[str, str]) -> Request:  # noqa: ARG002
        return read_request(body, depth=depth)

    def stream_writer(self, request: Request, *, created: int, reply_id: str) -> "FimWriter":
        return FimWriter(request, created=created, reply_id=reply_id)

    def write_reply(self, reply: Reply, request: Request, *, created: int, reply_id: str) -> bytes:
        return write_reply(reply, request, created=created, reply_id=reply_id)


def read_request(body: bytes, *, depth: int) -> Request:
    """A client's body → the request, checked. Raises ``CallerFault``: see ``ClientCodec``."""
    members = read_members(body, depth=depth)
    typed = decode_typed(_body.decode, body)
    sampling = Sampling(
        temperature=typed.temperature,
        top_p=typed.top_p,
        seed=typed.seed if typed.random_seed is None else typed.random_seed,
        stop=read_stops(typed.stop),
        max_output_tokens=typed.max_tokens,
    )
    return Request(
        dialect=DIALECT,
        alias=typed.model,
        stream=bool(typed.stream),
        include_usage=True,
        members=members,
        conversation=Conversation(
            messages=(Message(role="user", parts=(TextPart(typed.prompt),)),),
            sampling=sampling,
            completion=Completion(suffix=typed.suffix or "", raw=True),
        ),
        size_bytes=len(body),
        unsaid=tuple(sorted(members.keys() - _SAID - _LABELS)),
    )


class FimWriter(EventWriter):
    """Writes the chunks of one streamed answer. The last of them is held until the usage is known."""

    __slots__ = ("_finish", "_passed", "_started")

    def __init__(self, request: Request, created: int, reply_id: str) -> None:
        super().__init__(request, created, reply_id)
        self._started = self._passed = False
        self._finish: str | None = None

    def close(self) -> bytes:
        """The last chunk, with how it ended and the usage, and the end."""
        if self._passed:
            return DONE
        more = {} if self._usage is None else {"usage": usage_members(self._usage)}
        return self._frame("", self._finish or "stop", more) + DONE

    def _pass(self, piece: Piece) -> bytes:
        self._passed = True
        return piece.raw

    def _build(self, piece: Piece) -> bytes:
        self._model = piece.model or self._model
        if piece.usage is not None:
            self._usage = piece.usage
        if piece.finish is not None:
            self._finish = finish_word(piece.finish)
        return self._frame(piece.text, None, {}) if piece.text else b""

    def _frame(self, text: str, finish: str | None, more: Mapping[str, Any]) -> bytes:
        delta = {"content": text} if self._started else {"role": "assistant", "content": text}
        self._started = True
        chunk: dict[str, Any] = {
            "id": self._reply_id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
            **more,
        }
        return b"data: " + encode(chunk) + b"\n\n"


def write_reply(reply: Reply, request: Request, *, reply_id: str, created: int) -> bytes:
    """The whole answer: the upstream's own body where it passes through, otherwise built."""
    if reply.body:
        return reply.body
    built: dict[str, Any] = {
        "id": reply_id,
        "object": "chat.completion",
        "created": created,
        "model": reply.model or request.alias,
        "choices": [
            {
                "index": index,
                "message": {"role": "assistant", "content": choice.text, "tool_calls": None},
                "finish_reason": finish_word(choice.finish),
            }
            for index, choice in enumerate(reply.choices)
        ],
    }
    if reply.usage is not None:
        built["usage"] = usage_members(reply.usage)
    return encode(built)
