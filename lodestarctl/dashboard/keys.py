"""Bytes of a terminal → keys. Pure but for what is half there.

Law: whatever bytes come, in whatever pieces, nothing is raised and nothing grows without a bound; what is unknown is
dropped whole. A lone Esc can't be told from the beginning of a sequence: the caller says when it has waited enough.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping
from typing import NamedTuple

ESC = "\x1b"
PASTE_BEGIN, PASTE_END = "\x1b[200~", "\x1b[201~"
MOST_SEQUENCE = 64
MOST_PASTE = 4_096

_FINAL: Mapping[str, str] = {
    "A": "up",
    "B": "down",
    "C": "right",
    "D": "left",
    "F": "end",
    "H": "home",
    "M": "enter",
    "Z": "backtab",
}
_TILDE: Mapping[str, str] = {
    "1": "home",
    "3": "delete",
    "4": "end",
    "5": "pgup",
    "6": "pgdn",
    "7": "home",
    "8": "end",
}
_CONTROL: Mapping[str, str] = {
    "\x02": "pgup",
    "\x03": "ctrl-c",
    "\x06": "pgdn",
    "\x08": "backspace",
    "\t": "tab",
    "\n": "enter",
    "\x0c": "ctrl-l",
    "\r": "enter",
    "\x15": "ctrl-u",
    "\x1a": "ctrl-z",
    "\x7f": "backspace",
}
_SEQUENCE = re.compile(r"\x1b(?:\[([0-?]*)[ -/]*([@-~])|O([ -~]))")
_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)?\Z")


class Key(NamedTuple):
    """``name`` is ``char`` (``text`` says which), ``paste`` (``text`` is all of it), or the key's own."""

    name: str
    text: str = ""


class Decoder:
    """Keeps what is half there between two reads."""

    def __init__(self) -> None:
        self._utf8 = getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._pasted: str | None = None

    @property
    def waits(self) -> bool:
        """Whether an Esc is there that may be the beginning of something."""
        return bool(self._rest) and self._pasted is None

    def feed(self, data: bytes) -> list[Key]:
        """The keys that are whole now."""
        self._rest += self._utf8.decode(data)
        return list(self._keys())

    def flush(self) -> list[Key]:
        """Nothing came after it: it was the key Esc, whatever it looked like."""
        if not self.waits:
            return []
        rest, self._rest = self._rest, ""
        return [Key("esc"), *(Key("char", char) for char in rest[1:] if char.isprintable())]

    def _keys(self) -> Iterator[Key]:
        while self._rest:
            if self._pasted is not None:
                if not self._paste_on():
                    return
                pasted, self._pasted = self._pasted, None
                yield Key("paste", pasted)
            elif self._rest[0] != ESC:
                char, self._rest = self._rest[0], self._rest[1:]
                yield from _plain(char)
            elif self._rest.startswith(PASTE_BEGIN):
                self._rest, self._pasted = self._rest[len(PASTE_BEGIN) :], ""
            elif (found := _SEQUENCE.match(self._rest)) is not None:
                self._rest = self._rest[found.end() :]
                yield from _named(found)
            elif _BEGUN.match(self._rest) and len(self._rest) < MOST_SEQUENCE:
                return
            else:
                self._rest = self._rest[1:]
                yield Key("esc")

    def _paste_on(self) -> bool:
        """Take in what is pasted; True once its end has come."""
        text, end, rest = self._rest.partition(PASTE_END)
        if not end:
            kept = len(PASTE_END) - 1  # the end may be half there
            text, rest = self._rest[:-kept], self._rest[-kept:]
        self._pasted = ((self._pasted or "") + text)[:MOST_PASTE]
        self._rest = rest
        return bool(end)


def _plain(char: str) -> Iterator[Key]:
    if char in _CONTROL:
        yield Key(_CONTROL[char])
    elif char.isprintable():
        yield Key("char", char)


def _named(found: re.Match[str]) -> Iterator[Key]:
    numbers, final, single = found.groups()
    name = _TILDE.get(numbers.partition(";")[0]) if final == "~" else _FINAL.get(final or single)
    if name:
        yield Key(name)
