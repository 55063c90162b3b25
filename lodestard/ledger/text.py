"""Texts as the ledger's columns take them. Pure."""

import logging
from functools import lru_cache

import msgspec

from lodestard.domain.closing import Closing
from lodestard.domain.price import Price

_log = logging.getLogger(__name__)

MAX_TEXT = 200


def bounded(text: str) -> str:
    """What others wrote: short, and text that can be encoded."""
    if len(text) <= MAX_TEXT and text.isascii():
        return text
    return text[:MAX_TEXT].encode(errors="replace").decode()


def bounded_all(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The same of many, which mostly are short together."""
    together = "".join(texts)
    if len(together) <= MAX_TEXT and together.isascii():
        return texts
    return tuple(map(bounded, texts))


@lru_cache(maxsize=256)
def price_text(price: Price) -> str:
    """A price as its table keeps it."""
    return msgspec.json.encode(price, order="sorted").decode()


def trace_text(request_id: str, closing: Closing) -> str:
    """The trace as JSON; one that can't be said in JSON is a defect that must not cost the row."""
    try:
        return msgspec.json.encode(closing.trace).decode() if closing.trace else ""
    except (TypeError, ValueError) as error:
        _log.error("ledger: a defect: the trace of %s can't be kept: %s", request_id, type(error).__name__)
        return ""
