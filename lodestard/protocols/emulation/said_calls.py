"""The JSON that a model wrote → the tool calls that it means, in the forms that models write.

Law: what names no tool is no call. Arguments are the model's own text.
"""

from collections.abc import Collection
from typing import NamedTuple

import msgspec

FIRST_KEYS = frozenset({"tool_calls", "tool_call", "name", "function", "arguments", "parameters", "type", "id"})
"""What the object of a call begins with; any other object is an answer."""

_NONE = msgspec.Raw()


class SaidCall(NamedTuple):
    name: str
    arguments: str


class _Function(msgspec.Struct, frozen=True):
    name: str = ""
    arguments: msgspec.Raw = _NONE
    parameters: msgspec.Raw = _NONE


class _Call(_Function, frozen=True):
    function: _Function | str | None = None


class _Calls(_Call, frozen=True):
    tool_calls: list[_Call] | None = None
    tool_call: _Call | None = None


_one = msgspec.json.Decoder(_Calls)
_many = msgspec.json.Decoder(list[_Call])


def read_calls(text: str, names: Collection[str]) -> list[SaidCall]:
    """The calls; none where it is something else. Without ``tool_calls`` around it, a call is of one of ``names``."""
    data = text.encode("utf-8", "surrogatepass")
    try:
        if text.startswith("["):
            return _known(_many.decode(data), names)
        said = _one.decode(data)
    except (ValueError, RecursionError):
        return []
    if said.tool_calls is not None:
        calls = [_read(call) for call in said.tool_calls]
        return calls if all(call.name for call in calls) else []
    return _known([said.tool_call or said], names)


def _known(calls: list[_Call], names: Collection[str]) -> list[SaidCall]:
    read = [_read(call) for call in calls]
    return read if all(call.name in names for call in read) else []


def _read(call: _Call) -> SaidCall:
    source = call.function if isinstance(call.function, _Function) else call
    name = call.function if isinstance(call.function, str) else source.name
    raw = bytes(source.arguments) or bytes(source.parameters)
    return SaidCall(name, _text_of(raw))


def _text_of(raw: bytes) -> str:
    """Arguments as text: an object as it stands, a string as what it says."""
    if raw in (b"", b"null"):
        return "{}"
    if raw.startswith(b'"'):
        return str(msgspec.json.decode(raw))
    return raw.decode()
