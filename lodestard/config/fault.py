"""What is wrong with a configuration, in words for the person who wrote it.

Law: a fault names the key and the place, says what to do, and never repeats a value, but for the names in a route: a
value may be a secret that was pasted into the wrong line. Owned by nobody: plain data.
"""

import re
from collections.abc import Iterable

import msgspec

from lodestard.domain.near import did_you_mean

KeyPath = tuple[str | int, ...]
"""Where a value is: table and member names, and the index inside an array."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def dotted(path: KeyPath) -> str:
    """``("models", "gpt-3.5-turbo", "route", 0)`` → ``models."gpt-3.5-turbo".route[0]``, as TOML writes a key."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f"{'.' if text else ''}{_quoted(part)}"
    return text


def _quoted(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else msgspec.json.encode(name).decode()


def or_nearest(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'listen'?"``, or nothing where no known name is near."""
    near = did_you_mean(name[:100], known)
    return f"; did you mean {near}?" if near else ""


class Place(msgspec.Struct, frozen=True, order=True):
    """A place in a file. ``line`` and ``column`` count from 1; 0 where they are not known."""

    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        parts = [self.file] + [str(number) for number in (self.line, self.column) if number]
        return ":".join(parts)


class ConfigFault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, or worth a warning. ``key`` is a dotted path, empty for a whole file."""

    key: str = ""
    place: Place = Place()
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.place), self.key, self.message) if part)


class ConfigError(Exception):
    """The configuration can't be used. ``faults`` are all that were found, in the order of the files."""

    def __init__(self, faults: Iterable[ConfigFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))
