"""One line that says how far something is, written over itself on a terminal.

Law: it goes to standard error, and is gone when it is over; what it was about is said elsewhere. Where nobody watches
(a pipe, a file), a line is written only when something else is the case.
"""

import os

from lodestarctl.output import Output, can_write
from lodestarctl.render.graph import FULL
from lodestarctl.render.words import ASCII, clean, clip

CLEAR = "\r\x1b[K"
NARROW = 80


class Progress:
    """Owner of the line."""

    def __init__(self, output: Output) -> None:
        self._stream = output.stderr
        self._quiet = output.json
        self._live = output.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._ascii = not can_write(output.stderr, FULL)
        self._said = ""
        self._shown = False

    def tell(self, line: str, about: str) -> None:
        """Say it. ``about`` is what it is about: off a terminal a line about the same is not written again."""
        if self._quiet:
            return
        text = clean(line)
        text = text.translate(ASCII) if self._ascii else text
        if self._live:
            self._stream.write(CLEAR + clip(text, columns_of_terminal(self._stream.fileno()) - 1))
            self._shown = True
        elif about != self._said:
            self._stream.write(text + "\n")
        self._said = about
        self._stream.flush()

    def end(self) -> None:
        """Take the line away."""
        if self._shown:
            self._stream.write(CLEAR)
            self._stream.flush()
            self._shown = False


def columns_of_terminal(descriptor: int) -> int:
    """How wide it is now; it may be changed at any time."""
    try:
        return os.get_terminal_size(descriptor).columns or NARROW
    except OSError:
        return NARROW
