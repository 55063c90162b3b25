"""The terminal: raw keys in, frames out, and everything as it was when it is left.

Law: whatever is changed (modes, alternate screen, cursor, wrapping, pasting) is changed back when the context is
left, however that happens; a terminal that is gone by then is no error. Owner of the terminal while it is open.
"""

import os
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from lodestarctl.dashboard.cells import Frame
from lodestarctl.dashboard.paint import END, Palette, paint

ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h\x1b[2J"
LEAVE = f"{END}\x1b[0m\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l"
READ_BYTES = 4_096
FALLBACK = (80, 24)
_INPUT, _OUTPUT, _LOCAL, _CONTROLS = 0, 1, 3, 6


class TerminalGone(Exception):
    """Nobody is there any more: the window was closed, or the line was cut."""


class Terminal:
    """Made by ``open_terminal``."""

    def __init__(self, input_fd: int, output_fd: int, palette: Palette) -> None:
        self.input_fd = input_fd
        self._output_fd = output_fd
        self._palette = palette
        self._shown: Frame | None = None
        self._before = termios.tcgetattr(input_fd)

    def enter(self) -> None:
        """Make it a screen of ours, of which nothing is painted yet. Raises ``TerminalGone``."""
        termios.tcsetattr(self.input_fd, termios.TCSAFLUSH, raw(self._before))
        self.write(ENTER.encode())
        self._shown = None

    def leave(self) -> None:
        """Make it again what it was. Raises nothing: where it is gone, nothing is left to be done."""
        with suppress(TerminalGone):
            self.write(LEAVE.encode())
        with suppress(termios.error):
            termios.tcsetattr(self.input_fd, termios.TCSAFLUSH, self._before)

    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        return terminal_size(self._output_fd)

    def forget(self) -> None:
        """What is on the screen is not known any more: the next frame is painted whole."""
        self._shown = None

    def show(self, frame: Frame, width: int) -> None:
        """Paint what differs from the last frame. Raises ``TerminalGone``."""
        data = paint(self._shown, frame, self._palette, width)
        if data:
            self.write(data)
        self._shown = frame

    def write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._output_fd, data) :]
        except OSError:
            raise TerminalGone from None

    def read(self) -> bytes:
        """What was typed. Raises ``TerminalGone``."""
        try:
            data = os.read(self.input_fd, READ_BYTES)
        except OSError:
            raise TerminalGone from None
        if not data:
            raise TerminalGone
        return data


@contextmanager
def open_terminal(input_fd: int, output_fd: int, palette: Palette) -> Iterator[Terminal]:
    """Take the terminal over until the context is left."""
    terminal = Terminal(input_fd, output_fd, palette)
    try:
        terminal.enter()
        yield terminal
    finally:
        terminal.leave()


def raw(modes: list[Any]) -> list[Any]:
    """Modes in which every key comes at once and as it is; output stays as it was. Pure."""
    changed = [*modes[:_CONTROLS], list(modes[_CONTROLS])]
    changed[_INPUT] &= ~(termios.ICRNL | termios.INLCR | termios.IXON | termios.ISTRIP)
    changed[_LOCAL] &= ~(termios.ECHO | termios.ICANON | termios.ISIG | termios.IEXTEN)
    changed[_CONTROLS][termios.VMIN] = 1
    changed[_CONTROLS][termios.VTIME] = 0
    return changed


def terminal_size(descriptor: int) -> tuple[int, int]:
    """Columns and lines; 80 and 24 where nobody knows."""
    try:
        size = os.get_terminal_size(descriptor)
    except OSError:
        return FALLBACK
    return size.columns or FALLBACK[0], size.lines or FALLBACK[1]


def is_utf8(environment: Mapping[str, str]) -> bool:
    """Whether the terminal shows more than ASCII, by what the locale says; where it says nothing, it does."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        if value := environment.get(name):
            return "UTF8" in value.upper().replace("-", "")
    return True


def why_no_screen(environment: Mapping[str, str]) -> str:
    """Why there can be no live screen, as advice; empty where there can."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return "the dashboard needs a terminal; --once prints it once"
    if environment.get("TERM", "") in ("", "dumb"):
        return "this terminal (TERM=dumb) can't move its cursor; --once prints the dashboard once"
    return ""
