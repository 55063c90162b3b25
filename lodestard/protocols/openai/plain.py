"""Plain answers of OpenAI and its likes: a body → pieces, one for each choice.

Law: the body itself is kept where the client speaks the same dialect.
Source: OpenAI's API reference, "The chat completion object".
"""

from collections.abc import Mapping, Sequence

import msgspec

from lodestard.domain.reply import Piece, ToolCallPiece
from lodestard.domain.usage import Usage
from lodestard.protocols.openai.answer import (
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
from lodestard.protocols.openai.signatures import read_signatures
from lodestard.protocols.openai.usage import read_tier, read_usage
from lodestard.protocols.whole_reader import WholeReader, broken


class PlainReader(WholeReader):
    """Reads one plain chat completion; a ``ReplyReader``."""

    __slots__ = ()

    def __init__(self, *, passing: bool = True) -> None:
        super().__init__(read_plain, passing=passing)


def read_plain(body: bytes, *, passing: bool = True) -> list[Piece]:
    """A plain body → its pieces. Raises ``UpstreamFault``: cut, garbage, or the error that it holds."""
    try:
        return _read_plain(body, passing=passing)
    except (ValueError, RecursionError):
        raise broken(body, garbage()) from None


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
        thoughts=read_signatures(message.tool_calls) if message.tool_calls else (),
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
