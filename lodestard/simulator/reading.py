"""Reading members of decoded JSON with the checks that every upstream makes.

Law: a member of a wrong type is refused with a sentence of the dialect's own, made by the `complain` handed in.
"""

from collections.abc import Callable, Mapping

import msgspec

from lodestard.simulator.answering.question import Json
from lodestard.simulator.exchange import Refusal

Complain = Callable[[str, str, str], Refusal]
"""(member, wanted type, type it had) → the refusal."""

_NAMES = {"string": str, "integer": int, "number": (int, float), "array": list, "object": dict, "boolean": bool}


class Members:
    """A JSON object's members, by type. A member that is missing or null gives the default."""

    def __init__(self, raw: Mapping[str, Json], complain: Complain) -> None:
        self.raw = raw
        self._complain = complain

    def text(self, name: str, default: str = "") -> str:
        return str(self._typed(name, "string", default))

    def number(self, name: str) -> float | None:
        found = self._typed(name, "number", None)
        return None if found is None else float(found)

    def integer(self, name: str) -> int | None:
        found = self._typed(name, "integer", None)
        return None if found is None else int(found)

    def flag(self, name: str, default: bool) -> bool:
        return bool(self._typed(name, "boolean", default))

    def items(self, name: str) -> list[Json]:
        return list(self._typed(name, "array", ()))

    def inner(self, name: str) -> "Members":
        return Members(self._typed(name, "object", {}), self._complain)

    def has(self, name: str) -> bool:
        return self.raw.get(name) is not None

    def _typed(self, name: str, kind: str, default: Json) -> Json:
        value = self.raw.get(name)
        if value is None:
            return default
        wanted = _NAMES[kind]
        if not isinstance(value, wanted) or (isinstance(value, bool) and kind != "boolean"):  # type: ignore[arg-type]
            raise self._complain(name, kind, json_type(value))
        return value


def json_type(value: Json) -> str:
    """JSON's name for the type of a decoded value."""
    if isinstance(value, bool):
        return "boolean"
    for name, kinds in _NAMES.items():
        if isinstance(value, kinds):  # type: ignore[arg-type]
            return name
    return "null"


def decode_object(body: bytes) -> dict[str, Json] | None:
    """The body as a JSON object; None where it is not one."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return value if isinstance(value, dict) else None
