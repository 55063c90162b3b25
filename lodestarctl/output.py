"""Where things are written: data on standard output, messages on standard error.

Law: what a program reads never changes with the terminal; what a person reads never carries a control byte that
came from a request. ``rich`` is imported only for a terminal.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

import msgspec

from lodestarctl.render.blocks import Block, Tone
from lodestarctl.render.graph import FULL
from lodestarctl.render.plain import paint_plain
from lodestarctl.render.words import ASCII, clean
from lodestard.control.messages import VERSION

PLAIN_WIDTH = 80
_ANSI: Mapping[Tone, str] = {"good": "32", "bad": "31", "warn": "33", "dim": "2", "strong": "1"}


class Output:
    """The two streams of this process, and how to write to them. ``width`` is the terminal's, in columns."""

    def __init__(
        self, stdout: TextIO, stderr: TextIO, *, json: bool = False, colour: bool = False, width: int = PLAIN_WIDTH
    ) -> None:
        self.stdout = stdout
        self.stderr = stderr
        self.json = json
        self.terminal = stdout.isatty()
        self.colour = colour and self.terminal
        self.width = width if self.terminal else PLAIN_WIDTH
        self._ascii = not can_write(stdout, FULL)

    def show(self, blocks: Sequence[Block]) -> None:
        """Write blocks for a person."""
        if self.terminal:
            from lodestarctl.render.terminal import paint_terminal

            self.write(paint_terminal(blocks, width=self.width, colour=self.colour))
        else:
            self.write(paint_plain(blocks, width=self.width))

    def envelope(self, verb: str, data: msgspec.Raw, *, indent: int = 2) -> None:
        """Write data for a program: the envelope as it came. ``indent`` 0 makes it one line."""
        text = msgspec.json.encode({"version": VERSION, "verb": verb, "data": data})
        formatted = msgspec.json.format(text, indent=indent) if indent else text
        self.write(formatted.decode() + "\n")

    def write(self, text: str) -> None:
        """Write to standard output at once. Where it has no letters for bars and marks, others stand for them."""
        self.stdout.write(text.translate(ASCII) if self._ascii else text)
        self.stdout.flush()

    def write_data(self, data: bytes) -> None:
        """Write what is UTF-8 whatever letters this process's output has."""
        self.stdout.flush()
        self.stdout.buffer.write(data)
        self.stdout.buffer.flush()

    def say(self, text: str, tone: Tone | None = None) -> None:
        """A message to the person, one line on standard error."""
        line = clean(text)
        self.stderr.write((self.tint(line, tone) if tone is not None else line) + "\n")
        self.stderr.flush()

    def tint(self, text: str, tone: Tone) -> str:
        """``text`` in a colour, where there are colours."""
        code = _ANSI.get(tone)
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code else text


def can_write(stream: TextIO, text: str) -> bool:
    """Whether the stream has letters for ``text``."""
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def terminal_width() -> int:
    """Columns of the terminal. ``shutil`` would tell as well, and cost milliseconds to import."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or PLAIN_WIDTH
    except (OSError, ValueError):
        return PLAIN_WIDTH
