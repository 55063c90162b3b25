"""Plain answers of OpenAI's Responses API: a body → one piece.

Law: the body itself is kept where the client speaks the same dialect; one that has not ended is no answer.
Source: OpenAI's API reference, "The response object".
"""

import msgspec

from lodestard.domain.reply import Piece
from lodestard.protocols.openai.usage import read_tier
from lodestard.protocols.responses.answer import (
    decode_response,
    garbage,
    gather,
    read_ending,
    read_extra,
    read_item,
    read_names,
)
from lodestard.protocols.responses.usage import read_usage
from lodestard.protocols.whole_reader import WholeReader, broken

_UNDER_WAY = frozenset({"queued", "in_progress"})


def open_plain(*, passing: bool = True) -> WholeReader:
    """A reader for a plain answer. ``passing``: the client speaks this dialect."""
    return WholeReader(read_plain, passing=passing)


def read_plain(body: bytes, *, passing: bool = True) -> list[Piece]:
    """A plain body → its piece. Raises ``UpstreamFault``: cut, garbage, or the error that it holds."""
    try:
        return [_read_plain(body, passing=passing)]
    except (ValueError, RecursionError):
        raise broken(body, garbage()) from None


def _read_plain(body: bytes, *, passing: bool) -> Piece:
    response = decode_response(body)
    items = [read_item(raw) for raw in response.output or ()]
    calls = any(item.call is not None for item in items)
    finish = read_ending(response, calls=calls, odd=passing and any(item.odd for item in items))
    if response.output is None or response.status in _UNDER_WAY:
        raise garbage()
    known_id, model, created = read_names(response)
    return msgspec.structs.replace(
        gather(items),
        finish=finish,
        usage=read_usage(response.usage, read_tier(response.service_tier)),
        extra=read_extra(body) if passing else None,
        id=known_id,
        model=model,
        created=created,
    )
