"""``tools``: every tool that the model calls is there, with arguments that are JSON and match its parameters.

Where the client demanded a call, there is one. Beside tools that are not functions an unknown name is not judged: it
may be one that the provider brings itself.
"""

from typing import Any

import msgspec

from lodestard.domain.json_schema import explain_mismatch, read_schema
from lodestard.domain.reply import Choice, Piece
from lodestard.domain.request import Conversation, ToolChoice


class ToolsCheck:
    """Names are judged as they come, arguments once they are whole."""

    __slots__ = ("_closed", "_demanded", "_schemas")

    name = "tools"

    def __init__(self, talk: Conversation) -> None:
        functions = [tool for tool in talk.tools if tool.kind == "function"]
        self._schemas: dict[str, Any] = {tool.name: read_schema(tool.parameters) for tool in functions}
        self._closed = len(functions) == len(talk.tools)
        self._demanded = _demanded(talk.tool_choice)

    def see(self, piece: Piece) -> str:
        for call in piece.tool_calls:
            if call.name and self._closed and call.name not in self._schemas:
                return "it calls a tool that was not offered"
        return ""

    def end(self, index: int, choice: Choice) -> str:  # noqa: ARG002
        if self._demanded is not None and not choice.tool_calls:
            return "a tool call was demanded, and there is none"
        for place, call in enumerate(choice.tool_calls):
            if self._demanded and call.name != self._demanded:
                return f"call {place + 1} is of another tool than the one that was demanded"
            if reason := self._judge(call.name, call.arguments):
                return f"call {place + 1}: {reason}"
        return ""

    def _judge(self, name: str, arguments: str) -> str:
        if name not in self._schemas:
            return "its tool was not offered" if self._closed else ""
        try:
            value = msgspec.json.decode(arguments.encode("utf-8", "surrogatepass") or b"{}")
        except (ValueError, RecursionError):
            return "its arguments are not JSON"
        if not isinstance(value, dict):
            return "its arguments are no JSON object"
        return explain_mismatch(value, self._schemas[name])


def open_tools(talk: Conversation) -> ToolsCheck | None:
    """None where nothing can be called."""
    if not talk.tools or (talk.tool_choice is not None and talk.tool_choice.mode == "none"):
        return None
    return ToolsCheck(talk)


def _demanded(choice: ToolChoice | None) -> str | None:
    """The tool that must be called; empty for any, None where none must be."""
    if choice is None or choice.mode not in ("required", "function"):
        return None
    return choice.name if choice.mode == "function" else ""
