"""Where a generated text ends: at a stop sequence, at the token limit, or where the model is done.

Law: pure. Limits count tokens as `tokens` does.
"""

from collections.abc import Sequence

import msgspec

from lodestard.simulator.tokens import split_tokens


class Limited(msgspec.Struct, frozen=True):
    """``pieces`` to say; ``reason``: stop or length; ``stop``: the sequence that ended it, if one did."""

    pieces: tuple[str, ...]
    reason: str
    stop: str | None = None


def limit_text(text: str, max_tokens: int | None, stops: Sequence[str]) -> Limited:
    """The part of ``text`` that is said. A stop sequence itself is never said."""
    found = [(at, stop) for stop in stops if stop and (at := text.find(stop)) >= 0]
    stop: str | None = None
    if found:
        at, stop = min(found)
        text = text[:at]
    pieces = split_tokens(text)
    if max_tokens is not None and len(pieces) > max_tokens:
        return Limited(tuple(pieces[:max_tokens]), "length")
    return Limited(tuple(pieces), "stop", stop)
