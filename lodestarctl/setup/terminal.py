"""The person in front of it: words to standard error, answers from standard input, keys without an echo.

Law: a key that was typed is shown nowhere; what was pasted beyond its line is taken with it, so that no part of it
becomes the answer to the next question.
"""

import contextlib
import os
import select
import termios
from collections.abc import Iterator, Sequence
from typing import Protocol, TextIO

from lodestarctl.output import Output, can_write, terminal_width
from lodestarctl.render.blocks import Tone
from lodestarctl.render.graph import FULL
from lodestarctl.render.words import ASCII, columns_of

MARKS = "✓·"
MOST_WIDTH = 100
PASTE_S = 0.05
MARK_OF: dict[Tone, str] = {"good": "✓", "warn": "!", "bad": "✗", "dim": "·", "": " ", "strong": " "}


class LeftError(Exception):
    """The person has gone: standard input is at its end."""


class Terminal(Protocol):
    """What the guide needs of one. ``interactive``: somebody is there to answer."""

    interactive: bool

    def say(self, text: str, tone: Tone = "", *, next_: str = "") -> None:
        """A sentence with a mark before it, and what to do about it below."""

    def title(self, text: str) -> None:
        """The head of a step."""

    def line(self, text: str) -> None:
        """What somebody may copy: never broken."""

    def ask(self, question: str) -> str:
        """One line, without the white space around it. Raises ``LeftError``."""

    def secret(self, question: str) -> str:
        """All that was typed or pasted, unseen. Raises ``LeftError``."""


class RealTerminal:
    """The process's own streams."""

    def __init__(self, output: Output, stdin: TextIO) -> None:
        self._output = output
        self._stdin = stdin
        self.interactive = stdin.isatty() and output.stderr.isatty()
        self._ascii = not can_write(output.stderr, FULL + MARKS)

    def say(self, text: str, tone: Tone = "", *, next_: str = "") -> None:
        mark = MARK_OF[tone]
        for number, row in enumerate(wrap(text, self._width() - 4)):
            shown = tone if tone in ("bad", "warn", "dim") else None
            self._put(f"  {mark if number == 0 else ' '} {row}", shown)
        for row in wrap(next_, self._width() - 6) if next_ else ():
            self._put(f"      {row}", "dim")

    def title(self, text: str) -> None:
        self._put("")
        self._put(text, "strong")

    def line(self, text: str) -> None:
        self._put(f"    {text}")

    def ask(self, question: str) -> str:
        self._prompt(question)
        try:
            answer = self._stdin.readline()
        except KeyboardInterrupt:
            self._put("")
            raise
        if not answer:
            self._put("")
            raise LeftError
        return answer.strip()

    def secret(self, question: str) -> str:
        self._prompt(question)
        try:
            with unseen(self._stdin.fileno()) as descriptor:
                return read_pasted(descriptor)
        finally:
            self._put("")

    def _prompt(self, question: str) -> None:
        *rows, last = wrap(question, self._width() - 4)
        for row in rows:
            self._put(f"  ? {row}")
        text = f"  {'?' if not rows else ' '} {last} "
        self._output.stderr.write(text.translate(ASCII) if self._ascii else text)
        self._output.stderr.flush()

    def _put(self, text: str, tone: Tone | None = None) -> None:
        self._output.say(text.translate(ASCII) if self._ascii else text, tone)

    def _width(self) -> int:
        return max(20, min(MOST_WIDTH, terminal_width()))


def wrap(text: str, width: int) -> Sequence[str]:
    """Lines of at most ``width`` columns, broken at spaces; a word that is longer stands whole on its own line."""
    rows, row = [], ""
    for word in text.split(" "):
        longer = f"{row} {word}" if row else word
        if row and columns_of(longer) > width:
            rows.append(row)
            row = word
        else:
            row = longer
    return [*rows, row]


@contextlib.contextmanager
def unseen(descriptor: int) -> Iterator[int]:
    """The terminal without an echo. What was typed ahead before or left over after is thrown away."""
    before = termios.tcgetattr(descriptor)
    silent = [*before]
    silent[3] = before[3] & ~termios.ECHO
    try:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, silent)
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


def read_pasted(descriptor: int) -> str:
    """A line, and the lines that came with it at once. Raises ``LeftError`` at the end of the input."""
    data = os.read(descriptor, 65_536)
    if not data:
        raise LeftError
    while select.select([descriptor], [], [], PASTE_S)[0]:
        more = os.read(descriptor, 65_536)
        if not more:
            break
        data += more
    return data.decode(errors="replace")
