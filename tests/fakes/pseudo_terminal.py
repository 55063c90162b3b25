"""A terminal for tests: a pty with a program in it, and what a terminal would show of what it writes.

Law: the emulator knows only the sequences that the dashboard may use; any other is noted in ``unknown``.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lodestarctl.dashboard.cells import columns

PATIENCE_S = 30.0
_TOKEN = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\x1b.|[^\x1b]", re.DOTALL)
_HALF = re.compile(r"\x1b(?:\[[?0-9;]*)?\Z")


class Screen:
    """A grid of cells, the modes that were set, and how often it was painted."""

    def __init__(self, width: int, height: int) -> None:
        self.resize(width, height)
        self.modes: set[str] = set()
        self.unknown: list[str] = []
        self.frames = 0
        self.left = False
        self.normal: list[str] = []
        self._rest = ""

    def resize(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.cells = [[" "] * width for _ in range(height)]
        self.row = self.column = 0

    def feed(self, data: bytes) -> None:
        text = self._rest + data.decode(errors="replace")
        half = _HALF.search(text)
        self._rest = half[0] if half else ""
        text = text[: len(text) - len(self._rest)]
        for token in _TOKEN.finditer(text):
            if token[2]:
                self._sequence(token[1], token[2])
            else:
                self._char(token[0])

    def _sequence(self, numbers: str, final: str) -> None:
        if final == "H":
            row, _, column = numbers.partition(";")
            self.row, self.column = int(row or 1) - 1, int(column or 1) - 1
        elif final == "K" and not numbers:
            # As terminals do it: after the last column the cursor is still on it.
            start = min(self.column, self.width - 1)
            self.cells[self.row][start:] = [" "] * (self.width - start)
        elif final == "J" and numbers == "2":
            self.cells = [[" "] * self.width for _ in range(self.height)]
        elif final in "hl" and numbers.startswith("?"):
            self._mode(numbers[1:], on=final == "h")
        elif final != "m":
            self.unknown.append(f"CSI {numbers}{final}")

    def _mode(self, number: str, *, on: bool) -> None:
        if number not in ("25", "7", "1049", "2004", "2026"):
            self.unknown.append(f"mode {number}")
        self.frames += number == "2026" and not on and number in self.modes
        if number == "1049":
            self.left = not on
        (self.modes.add if on else self.modes.discard)(number)

    def _char(self, char: str) -> None:
        if self.left:
            self.normal.append(char)
            return
        if not char.isprintable():
            self.unknown.append(repr(char))
            return
        width = columns(char)
        if width == 0:
            if self.column:
                self.cells[self.row][min(self.column, self.width) - 1] += char
            return
        if self.row < self.height and self.column + width <= self.width:
            self.cells[self.row][self.column : self.column + width] = [char, *[""] * (width - 1)]
        self.column += width

    def text(self) -> list[str]:
        return ["".join(cells).rstrip() for cells in self.cells]


class PseudoTerminal:
    """A program on a pty of its own."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], size: tuple[int, int] = (80, 24)) -> None:
        self.master, slave = pty.openpty()
        self.screen = Screen(*size)
        self._set_size(*size)
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={"TERM": "xterm-256color", "LANG": "C.UTF-8", **env},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self.slave = slave

    def _set_size(self, width: int, height: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def resize(self, width: int, height: int) -> None:
        """Change the window's size; the kernel tells the program."""
        self.screen.resize(width, height)
        self._set_size(width, height)

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def pump(self, wait_s: float = 0.02) -> bool:
        """Take in what was written; whether there was any."""
        ready, _, _ = select.select([self.master], [], [], wait_s)
        if not ready:
            return False
        try:
            data = os.read(self.master, 65_536)
        except OSError:
            return False
        self.screen.feed(data)
        return bool(data)

    def wait(self, look: Callable[[], Any], what: str, *, patience_s: float = PATIENCE_S) -> Any:
        """Until ``look`` finds something."""
        deadline_s = time.monotonic() + patience_s
        while time.monotonic() < deadline_s:
            self.pump()
            if found := look():
                return found
        raise AssertionError(f"waited in vain for {what}:\n" + "\n".join(self.screen.text()))

    def wait_text(self, *texts: str, patience_s: float = PATIENCE_S) -> str:
        """Until all of these stand on the screen: the screen."""
        self.wait(lambda: all(text in self.text for text in texts), repr(texts), patience_s=patience_s)
        return self.text

    @property
    def text(self) -> str:
        return "\n".join(self.screen.text())

    def ended(self) -> int:
        """The exit status, once it has ended and all it wrote was taken in."""
        self.wait(lambda: self.process.poll() is not None, "its end")
        while self.pump():
            pass
        return int(self.process.returncode)

    def modes(self) -> list[Any]:
        return termios.tcgetattr(self.slave)

    @property
    def restored(self) -> bool:
        """Whether the terminal is as it was found: modes, cursor, wrapping, pasting, the normal screen."""
        return self.modes() == self.before and self.screen.modes == {"25", "7"}

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        for descriptor in (self.master, self.slave):
            try:
                os.close(descriptor)
            except OSError:
                continue
