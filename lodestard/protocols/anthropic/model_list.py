"""The list of models in Anthropic's shape. Pure.

Source: Anthropic's API reference, "List Models" and "Get a Model".
"""

from collections.abc import Mapping, Sequence

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.protocols.rfc3339 import write_ms

DEFAULT_LIMIT = 20
MOST = 1_000
_DIGITS = 4


def write_models(aliases: Sequence[str], query: Mapping[str, str], created: int) -> bytes:
    """``GET /v1/models``: the page of aliases that ``query`` asks for. ``created`` is unix seconds.

    Raises ``CallerFault(INVALID_REQUEST)`` for a limit that is none, and for an id that is not in the list.
    """
    limit = _read_limit(query.get("limit"))
    if after := query.get("after_id"):
        start = _find(aliases, after, "after_id") + 1
    elif before := query.get("before_id"):
        end = _find(aliases, before, "before_id")
        start = max(0, end - limit)
        limit = end - start
    else:
        start = 0
    page = aliases[start : start + limit]
    more = start > 0 if query.get("before_id") and not query.get("after_id") else start + limit < len(aliases)
    return msgspec.json.encode(
        {
            "data": [_model(alias, created) for alias in page],
            "has_more": more,
            "first_id": page[0] if page else None,
            "last_id": page[-1] if page else None,
        }
    )


def write_model(alias: str, created: int) -> bytes:
    """``GET /v1/models/{id}``."""
    return msgspec.json.encode(_model(alias, created))


def _model(alias: str, created: int) -> dict[str, object]:
    return {
        "type": "model",
        "id": alias,
        "display_name": alias,
        "created_at": write_ms(created * 1_000),
        "lifecycle": "active",
    }


def _read_limit(text: str | None) -> int:
    if not text:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS and 1 <= int(text) <= MOST):
        raise CallerFault(Code.INVALID_REQUEST, f"'limit' must be a number from 1 to {MOST}.", param="limit")
    return int(text)


def _find(aliases: Sequence[str], alias: str, name: str) -> int:
    try:
        return aliases.index(alias)
    except ValueError:
        raise CallerFault(Code.INVALID_REQUEST, f"'{name}' names no model of this list.", param=name) from None
