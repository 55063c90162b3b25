"""``schema``: where an answer must be JSON, it is; and where it must match a schema, it does."""

from typing import Any

import msgspec

from lodestard.domain.json_schema import explain_mismatch, read_schema
from lodestard.domain.reply import Choice, Piece
from lodestard.domain.request import Conversation


class SchemaCheck:
    """Judges the whole text of a choice. One that calls tools instead owes no JSON."""

    __slots__ = ("_schema",)

    name = "schema"

    def __init__(self, schema: Any) -> None:
        self._schema = schema

    def see(self, piece: Piece) -> str:  # noqa: ARG002  half a JSON text says nothing yet
        return ""

    def end(self, index: int, choice: Choice) -> str:  # noqa: ARG002
        if choice.tool_calls:
            return ""
        try:
            value = msgspec.json.decode(choice.text.encode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError):
            return "the answer is not JSON"
        if self._schema is None:
            return "" if isinstance(value, dict) else "the answer is no JSON object"
        return explain_mismatch(value, self._schema)


def open_schema(talk: Conversation) -> SchemaCheck | None:
    """None where the answer may be any text."""
    if talk.format.kind == "text":
        return None
    return SchemaCheck(read_schema(talk.format.schema) if talk.format.kind == "json_schema" else None)
