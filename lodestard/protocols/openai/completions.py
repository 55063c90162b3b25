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
from lodestard.domain.request import TOKENS, Completion, Conversation, Message, OtherPart, Part, Request, TextPart
from lodestard.protocols.json_text import decode_typed, read_members
from lodestard.protocols.openai.asked import MAX_CHOICES, SAID, Asked
from lodestard.protocols.openai.completions_write import TextWriter, write_reply

DIALECT = "completions"
DEFAULT_TOKENS = 16
MAX_PROMPTS = 2_048
MAX_ANSWERS = 4_096  # whose places ``openai/answer.py`` reads: one more would be paid for and not be read
_SAID = SAID | {"prompt", "suffix", "echo", "best_of", "logprobs", "max_tokens"}
"""The members that the conversation has words for."""

_LABELS = frozenset({"user", "metadata", "safety_identifier", "prompt_cache_key", "service_tier"})
Inputs = str | list[str | int | list[int]]

_Tokens = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class _Body(Asked, frozen=True, kw_only=True):
    prompt: Inputs | None
    suffix: str | None = None
    echo: bool | None = None
    best_of: Annotated[int, Meta(ge=0, le=MAX_CHOICES)] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | bool | None = None
    max_tokens: _Tokens | None = None


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
    return Request(
        dialect=DIALECT,
        alias=typed.model,
        stream=bool(typed.stream),
        include_usage=typed.include_usage,
        members=members,
        conversation=_conversation(typed),
        size_bytes=len(body),
        unsaid=tuple(sorted(members.keys() - _SAID - _LABELS)),
    )


def _conversation(typed: _Body) -> Conversation:
    n = typed.n or 1
    if typed.best_of is not None and typed.best_of > n:
        text = "'best_of' above 'n' is not supported: answers would be paid for that nobody sees."
        raise CallerFault(Code.NOT_SUPPORTED, text, param="best_of")
    messages = read_inputs("" if typed.prompt is None else typed.prompt, "prompt")
    if n * len(messages) > MAX_ANSWERS:
        text = f"Invalid value for 'n': no more than {MAX_ANSWERS} answers of all prompts together."
        raise CallerFault(Code.INVALID_REQUEST, text, param="n")
    logprobs = typed.logprobs is not None and typed.logprobs is not False
    return Conversation(
        messages=messages,
        sampling=typed.sampling(DEFAULT_TOKENS if typed.max_tokens is None else typed.max_tokens),
        n=n * len(messages),
        logprobs=logprobs,
        top_logprobs=int(typed.logprobs) if logprobs and typed.logprobs else None,
        completion=Completion(suffix=typed.suffix or None, raw=True, echo=bool(typed.echo)),
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
