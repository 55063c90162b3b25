"""The fields of a request's head, looked up without regard to case (RFC 9110 section 5.1)."""

from collections.abc import Callable, Iterable, Iterator

Field = tuple[str, str]


class Headers:
    """A read-only view. Names come back in lower case, in the order they were sent.

    ``get(name)``, its name in lower case, is the field's value; several of one name are joined by ``", "`` (RFC 9110
    section 5.3). It is asked a dozen times of each request, so it is the dictionary's own.
    """

    __slots__ = ("_combined", "_fields", "get")

    def __init__(self, fields: Iterable[Field] = ()) -> None:
        self._fields = [(name.lower(), value) for name, value in fields]
        self._combined = dict(self._fields)
        self.get: Callable[[str], str | None] = self._combined.get
        if len(self._combined) < len(self._fields):
            self._combine()

    def _combine(self) -> None:
        self._combined.clear()
        for name, value in self._fields:
            held = self._combined.get(name)
            self._combined[name] = value if held is None else f"{held}, {value}"

    def get_all(self, name: str) -> list[str]:
        """Every value of that name, one for each line."""
        wanted = name.lower()
        return [value for held, value in self._fields if held == wanted]

    def with_field(self, name: str, value: str) -> "Headers":
        """The same with ``name`` once, last."""
        wanted = name.lower()
        return Headers([*(field for field in self._fields if field[0] != wanted), (wanted, value)])

    def with_value(self, name: str, value: str) -> "Headers":
        """The same with another value of ``name``, which stands there once and in lower case, in its place."""
        return Headers([(held, value if held == name else old) for held, old in self._fields])

    def items(self) -> list[Field]:
        """Every field line."""
        return list(self._fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._combined

    def __iter__(self) -> Iterator[str]:
        return iter(self._combined)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Headers({', '.join(self._combined)})"  # never a value: some are keys
