"""Finds the line of every key in a TOML text.

Law: reads only text that ``tomllib`` has accepted, so it follows the grammar without checking it; where it loses
its way it keeps what it has found, and a fault is then told without a line. Source: TOML 1.0.0.
"""

import bisect
import contextlib
import re
import tomllib

from lodestard.config.fault import KeyPath

_MAX_KEY_PARTS = 64

_BLANK = re.compile(r"[ \t]*")
_BETWEEN = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY_PART = re.compile(r"[A-Za-z0-9_-]+|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")' + r"|'''.*?'{3,5}(?!')" + r'|"(?:[^"\\\n]|\\.)*"' + r"|'[^'\n]*'", re.DOTALL
)
_SCALAR = re.compile(r"[^,\]}#\r\n]*")


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, counted from 1, where each key and each table of ``text`` is first written."""
    scanner = _Scanner(text)
    with contextlib.suppress(_LostError, RecursionError):
        scanner.document()
    return scanner.lines


class _LostError(Exception):
    """The text is not what the scanner expected."""


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._array_sizes: dict[KeyPath, int] = {}

    def document(self) -> None:
        table: KeyPath = ()
        self._skip(_BETWEEN)
        while self.at < len(self.text):
            if self.text.startswith("[", self.at):
                table = self._header()
            else:
                self._member(table)
            self._skip(_BETWEEN)

    def _header(self) -> KeyPath:
        start, is_array = self.at, self.text.startswith("[[", self.at)
        self.at += 2 if is_array else 1
        path = self._resolved(self._key())
        self._skip(_BLANK)
        self._expect("]]" if is_array else "]")
        if is_array:
            self._note(path, start)
            path = self._next_element(path)
        self._note(path, start)
        return path

    def _resolved(self, key: tuple[str, ...]) -> KeyPath:
        """A header's key as a path: a name of an array of tables means its last element."""
        path: KeyPath = ()
        for index, name in enumerate(key):
            path = (*path, name)
            if index < len(key) - 1 and path in self._array_sizes:
                path = (*path, self._array_sizes[path] - 1)
        return path

    def _next_element(self, path: KeyPath) -> KeyPath:
        index = self._array_sizes.get(path, 0)
        self._array_sizes[path] = index + 1
        return (*path, index)

    def _member(self, table: KeyPath) -> None:
        start = self.at
        path = (*table, *self._key())
        for size in range(len(table) + 1, len(path) + 1):
            self._note(path[:size], start)
        self._skip(_BLANK)
        self._expect("=")
        self._skip(_BLANK)
        self._value(path)

    def _key(self) -> tuple[str, ...]:
        names: list[str] = []
        while len(names) < _MAX_KEY_PARTS:
            self._skip(_BLANK)
            names.append(_unquoted(self._skip(_KEY_PART)))
            self._skip(_BLANK)
            if not self.text.startswith(".", self.at):
                return tuple(names)
            self.at += 1
        raise _LostError

    def _value(self, path: KeyPath) -> None:
        match self.text[self.at : self.at + 1]:
            case "{":
                self._inline_table(path)
            case "[":
                self._array(path)
            case '"' | "'":
                self._skip(_STRING)
            case _:
                self._skip(_SCALAR)

    def _inline_table(self, path: KeyPath) -> None:
        self._expect("{")
        self._skip(_BETWEEN)
        while not self.text.startswith("}", self.at):
            self._member(path)
            self._separator()
        self._expect("}")

    def _array(self, path: KeyPath) -> None:
        self._expect("[")
        self._skip(_BETWEEN)
        index = 0
        while not self.text.startswith("]", self.at):
            self._note((*path, index), self.at)
            self._value((*path, index))
            self._separator()
            index += 1
        self._expect("]")

    def _separator(self) -> None:
        self._skip(_BETWEEN)
        if self.text.startswith(",", self.at):
            self.at += 1
            self._skip(_BETWEEN)
        elif not self.text.startswith(("}", "]"), self.at):
            raise _LostError

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise _LostError
        self.at = match.end()
        return match.group()

    def _expect(self, mark: str) -> None:
        if not self.text.startswith(mark, self.at):
            raise _LostError
        self.at += len(mark)

    def _note(self, path: KeyPath, at: int) -> None:
        self.lines.setdefault(path, bisect.bisect_right(self._line_starts, at))


def _unquoted(part: str) -> str:
    if part[:1] not in "\"'":
        return part
    try:
        return str(tomllib.loads(f"key = {part}")["key"])
    except tomllib.TOMLDecodeError:
        raise _LostError from None
