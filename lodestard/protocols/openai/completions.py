"""OpenAI's text completions, as a client sends and gets them: ``/v1/completions``.

Law: as for chats, known members are checked and unknown ones kept raw. A request without ``max_tokens`` asks for the
16 that the reference names, so that every upstream writes as much. Source: OpenAI's API reference, "Create
completion".
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.reply import Reply
from lodestard.domain.request import (
    TOKENS,
    Completion,
    Conversation,
    Message,
    OtherPart,
    Part,
    Request,
    Sampling,
    TextPart,
)
from lodestard.protocols.json_text import decode_typed, read_members
from lodestard.protocols.openai.completions_write import TextWriter, write_reply

DIALECT = "completions"
DEFAULT_TOKENS = 16
MAX_CHOICES = 128
MAX_PROMPTS = 2_048
SAID = frozenset(
    {
        "model", "prompt", "suffix", "stream", "stream_options", "echo", "n", "best_of", "logprobs", "max_tokens",
        "stop", "temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty",
    }
)  # fmt: skip
"""The members that the conversation has words for."""

LABELS = frozenset({"user", "metadata", "safety_identifier", "prompt_cache_key", "service_tier"})
Inputs = str | list[str | int | list[int]]

_Tokens = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool | None = None


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    model: Annotated[str, Meta(min_length=1, max_length=512)]
    prompt: Inputs | None
    suffix: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    echo: bool | None = None
    n: Annotated[int, Meta(ge=1, le=MAX_CHOICES)] | None = None
    best_of: Annotated[int, Meta(ge=0, le=MAX_CHOICES)] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | bool | None = None
    max_tokens: _Tokens | None = None
    stop: str | list[str] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None


_body = msgspec.json.Decoder(_Body)


class OpenAICompletions:
    """A ``ClientCodec``. Has no state."""

    __slots__ = ()

    dialect = DIALECT
    heeded: tuple[str, ...] = ()

    def read_request(self, body: bytes, *, depth: int, headers: Mapping[str, str]) -> Request:  # noqa: ARG002
        return read_request(body, depth=depth)

    def stream_writer(self, request: Request, *, created: int, reply_id: str) -> TextWriter:
        return TextWriter(request, created=created, reply_id=reply_id)

    def write_reply(self, reply: Reply, request: Request, *, created: int, reply_id: str) -> bytes:
        return write_reply(reply, request, created=created, reply_id=reply_id)


def read_request(body: bytes, *, depth: int) -> Request:
    """A client's body → the request, checked. Raises ``CallerFault``: see ``ClientCodec``."""
    members = read_members(body, depth=depth)
    typed = decode_typed(_body.decode, body)
    options = typed.stream_options
    return Request(
        dialect=DIALECT,
        alias=typed.model,
        stream=bool(typed.stream),
        include_usage=bool(options and options.include_usage),
        members=members,
        conversation=_conversation(typed),
        size_bytes=len(body),
        unsaid=tuple(sorted(members.keys() - SAID - LABELS)),
    )


def _conversation(typed: _Body) -> Conversation:
    n = typed.n or 1
    if typed.best_of is not None and typed.best_of > n:
        text = "'best_of' above 'n' is not supported: answers would be paid for that nobody sees."
        raise CallerFault(Code.NOT_SUPPORTED, text, param="best_of")
    messages = read_inputs("" if typed.prompt is None else typed.prompt, "prompt")
    logprobs = typed.logprobs is not None and typed.logprobs is not False
    return Conversation(
        messages=messages,
        sampling=_sampling(typed),
        n=n * len(messages),
        logprobs=logprobs,
        top_logprobs=int(typed.logprobs) if logprobs and typed.logprobs else None,
        completion=Completion(suffix=typed.suffix or None, raw=True, echo=bool(typed.echo)),
    )


def _sampling(typed: _Body) -> Sampling:
    return Sampling(
        temperature=typed.temperature,
        top_p=typed.top_p,
        top_k=typed.top_k,
        seed=typed.seed,
        stop=(typed.stop,) if isinstance(typed.stop, str) else tuple(typed.stop or ()),
        presence_penalty=typed.presence_penalty,
        frequency_penalty=typed.frequency_penalty,
        max_output_tokens=DEFAULT_TOKENS if typed.max_tokens is None else typed.max_tokens,
    )


def read_inputs(given: Inputs, name: str) -> tuple[Message, ...]:
    """One text, several, the token ids of one, or of several → a message of the user for each.

    Raises ``CallerFault(INVALID_REQUEST)`` for none at all, for too many, and for a mixture.
    """
    if isinstance(given, str):
        return (_said(TextPart(given)),)
    kinds = {type(one) for one in given}
    if len(kinds) != 1 or len(given) > MAX_PROMPTS * (1 if int not in kinds else 1_000):
        text = (
            f"Invalid value for '{name}': expected a text, texts or token ids, of one kind and at most {MAX_PROMPTS}."
        )
        raise CallerFault(Code.INVALID_REQUEST, text, param=name)
    if kinds == {int}:
        return (_said(_token_part(given)),)
    return tuple([_said(TextPart(one) if isinstance(one, str) else _token_part(one)) for one in given])  # type: ignore[arg-type]


def _token_part(ids: Sequence[object]) -> Part:
    return OtherPart(TOKENS, msgspec.Raw(msgspec.json.encode(ids)))


def _said(part: Part) -> Message:
    return Message(role="user", parts=(part,))
