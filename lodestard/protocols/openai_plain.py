"""Plain answers of OpenAI and its likes: a body → pieces, one for each choice.

Law: the body itself is kept where the client speaks the same dialect.
Source: OpenAI's API reference, "The chat completion object".
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from lodestard.domain.errors import Fault
from lodestard.domain.reply import Piece, ToolCallPiece
from lodestard.domain.usage import Usage
from lodestard.protocols.codec import MAX_ANSWER_BYTES
from lodestard.protocols.event_reader import cut
from lodestard.protocols.openai_answer import (
    ABSENT,
    NO_MESSAGE,
    Call,
    Choice,
    decode,
    garbage,
    read_call,
    read_extra,
    read_finish,
    read_logprobs,
    read_names,
    read_text,
)
from lodestard.protocols.openai_usage import read_tier, read_usage


class PlainReader:
    """Reads one plain answer; a ``ReplyReader``. Its pieces come when all of it is there."""

    __slots__ = ("_held", "_passing", "_read", "body", "done", "fault")

    def __init__(self, read: Callable[..., list[Piece]] | None = None, *, passing: bool = True) -> None:
        """``read``: what the body says (``read_plain`` where it is a chat's)."""
        self._held = bytearray()
        self._passing = passing
        self._read = read or read_plain
        self.body = b""
        self.done = False
        self.fault: Fault | None = None

    def feed(self, data: bytes) -> list[Piece]:
        if self.fault is not None:
            raise self.fault
        self._held += data
        if len(self._held) > MAX_ANSWER_BYTES:
            self._held.clear()
            self.fault = garbage(f"The upstream's answer is larger than {MAX_ANSWER_BYTES} bytes.")
            raise self.fault
        return []

    def finish(self) -> list[Piece]:
        if self.fault is not None:
            raise self.fault
        if self.done:
            return []
        body = bytes(self._held)
        self._held.clear()
        try:
            pieces = self._read(body, passing=self._passing)
        except Fault as fault:
            self.fault = fault
            raise
        self.body = body if self._passing else b""
        self.done = True
        return pieces


def read_plain(body: bytes, *, passing: bool = True) -> list[Piece]:
    """A plain body → its pieces. Raises ``UpstreamFault``: cut, garbage, or the error that it holds."""
    try:
        return _read_plain(body, passing=passing)
    except (ValueError, RecursionError):
        text = body.strip()
        raise (cut() if text[:1] in (b"", b"{") and text[-1:] != b"}" else garbage()) from None


def _read_plain(body: bytes, *, passing: bool) -> list[Piece]:
    answer = decode(body)
    if not answer.choices:
        raise garbage()
    known_id, model, created = read_names(answer)
    about = _About(
        extra=read_extra(body) if passing else None,
        usage=read_usage(answer.usage, read_tier(answer.service_tier)),
        id=known_id,
        model=model,
        created=created,
    )
    return [_whole(choice, about if place == 0 else _NOTHING_MORE) for place, choice in enumerate(answer.choices)]


class _About(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a plain body says of all its choices: it is told with the first."""

    extra: Mapping[str, msgspec.Raw] | None = None
    usage: Usage | None = None
    id: str = ""
    model: str = ""
    created: int = 0


_NOTHING_MORE = _About()


def _whole(choice: Choice, about: _About) -> Piece:
    message = choice.message or NO_MESSAGE
    return Piece(
        choice=choice.index,
        text=read_text(message.content),
        reasoning=message.reasoning_content or message.reasoning or "",
        refusal=message.refusal or "",
        tool_calls=_calls(message.tool_calls) if message.tool_calls else (),
        logprobs=read_logprobs(choice.logprobs) if choice.logprobs is not ABSENT else None,
        finish=read_finish(choice.finish_reason),
        extra=about.extra,
        usage=about.usage,
        id=about.id,
        model=about.model,
        created=about.created,
    )


def _calls(calls: Sequence[Call]) -> tuple[ToolCallPiece, ...]:
    return tuple([read_call(call, place) for place, call in enumerate(calls)])
