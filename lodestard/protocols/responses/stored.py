"""What is told of a response that was kept: the items that it was asked with, and that it is gone.

Source: OpenAI's API reference, "List input items" and "Delete a model response".
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.protocols.responses.object import Names

MOST_ITEMS = 100
USUAL_ITEMS = 20
_KINDS = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc"}
_object = msgspec.json.Decoder(dict[str, Any])


def write_items(items: Sequence[msgspec.Raw], response_id: str, asked: Mapping[str, str]) -> bytes:
    """A page of input items. ``asked``: the query's ``limit``, ``order`` and ``after``."""
    named = [_name(raw, Names.of(response_id), index) for index, raw in enumerate(items)]
    if asked.get("order") != "asc":
        named.reverse()
    after = asked.get("after")
    if after:
        places = [place for place, item in enumerate(named) if item["id"] == after]
        named = named[places[0] + 1 :] if places else []
    page = named[: _limit(asked.get("limit"))]
    return msgspec.json.encode(
        {
            "object": "list",
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": len(named) > len(page),
        }
    )


def write_deleted(response_id: str) -> bytes:
    return msgspec.json.encode({"id": response_id, "object": "response", "deleted": True})


def _limit(text: str | None) -> int:
    if text is None:
        return USUAL_ITEMS
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_ITEMS):
        raise CallerFault(Code.INVALID_REQUEST, f"'limit' must be from 1 to {MOST_ITEMS}.", param="limit")
    return int(text)


def _name(raw: msgspec.Raw, names: Names, index: int) -> dict[str, Any]:
    """An item with all that clients expect of one: an id, a type, a status, content as parts."""
    item = _object.decode(raw)
    item.setdefault("type", "message")
    kind = _KINDS.get(str(item["type"]), "item")
    if not item.get("id"):
        item["id"] = names.item(kind, index)
    if kind == "msg":
        content = item.get("content")
        if isinstance(content, str):
            part = "output_text" if item.get("role") == "assistant" else "input_text"
            more: dict[str, Any] = {"annotations": []} if part == "output_text" else {}
            item["content"] = [{"type": part, "text": content, **more}]
        item.setdefault("status", "completed")
    return item
