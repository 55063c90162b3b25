"""Where a JSON object or array ends in text that comes in portions.

Law: looks at each character once, and at brackets and quotes alone: whether it is valid is for whoever decodes it.
"""

import re

_MARK = re.compile(r'["\\\[\]{}]')
_OPENS = "[{"


class JsonSpan:
    """One value, from its opening bracket on."""

    __slots__ = ("_depth", "_escaped", "_in_string")

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, text: str) -> int | None:
        """How much of ``text`` belongs to the value, once it has ended; None as long as all of it does."""
        start = 1 if self._escaped and text else 0
        self._escaped = self._escaped and not text
        skip = -1
        for found in _MARK.finditer(text, start):
            mark, place = found[0], found.start()
            if place == skip:
                continue
            if mark == "\\":
                if self._in_string:
                    skip = place + 1
                    self._escaped = skip == len(text)
            elif mark == '"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += 1 if mark in _OPENS else -1
                if self._depth <= 0:
                    return place + 1
        return None
