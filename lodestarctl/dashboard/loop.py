"""The loop: waits for keys, signals and news, steps the state, shows the frame.

Law: it decides nothing; what happens next is ``state.step``, what is seen is ``screens.draw``. A signal is heard
through a pipe, so that the terminal is always left as it was found. Owner of the signals while it runs.
"""

import os
import select
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lodestarctl.dashboard.feed import Feed
from lodestarctl.dashboard.keys import Decoder, Key
from lodestarctl.dashboard.screens import draw
from lodestarctl.dashboard.state import Event, LinkChanged, Resized, State, step
from lodestarctl.dashboard.terminal import Terminal, TerminalGone

ESC_WAIT_S = 0.05
SILENT_S = 12.0
LOOK_S = 5.0
LAST = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
HEARD = (*LAST, signal.SIGWINCH, signal.SIGCONT)


@contextmanager
def open_signals() -> Iterator[int]:
    """A descriptor on which every signal that is heard comes as a byte."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    old_fd = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    before = {number: signal.signal(number, _heard) for number in HEARD}
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(old_fd)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def _heard(_number: int, _frame: object) -> None:
    """The byte on the pipe says it."""


class Loop:
    """One run of the screen."""

    def __init__(self, terminal: Terminal, feed: Feed, signals_fd: int, state: State) -> None:
        self._terminal = terminal
        self._feed = feed
        self._signals_fd = signals_fd
        self._decoder = Decoder()
        self._state = state
        self._asked = ""
        self._came_s = time.monotonic()

    def run(self) -> int:
        """Until somebody leaves: 0, or the signal that ended it. Raises ``TerminalGone``."""
        self._take(Resized(*self._terminal.size()))
        while not self._state.quit:
            self._terminal.show(draw(self._state), self._state.width)
            if (ended := self._wait()) is not None:
                return ended
        return 0

    def _wait(self) -> int | None:
        """The next thing that happens; a signal that ends it, or None."""
        wait_s = ESC_WAIT_S if self._decoder.waits else LOOK_S
        sources = (self._signals_fd, self._feed.wake_fd, self._terminal.input_fd)
        ready, _, _ = select.select(sources, (), (), wait_s)
        if self._signals_fd in ready and (ended := self._heed(os.read(self._signals_fd, 64))) is not None:
            return ended
        if self._feed.wake_fd in ready:
            self._take_news(self._feed.take())
        if self._terminal.input_fd in ready:
            self._press(self._decoder.feed(self._terminal.read()))
        elif self._decoder.waits:
            self._press(self._decoder.flush())
        self._look_for_silence()
        return None

    def _heed(self, numbers: bytes) -> int | None:
        for number in numbers:
            if number in LAST:
                return number
        if signal.SIGCONT in numbers:
            self._terminal.enter()
        self._terminal.forget()
        self._take(Resized(*self._terminal.size()))
        return None

    def _stop(self) -> None:
        """Lend the terminal to the shell; SIGCONT takes it back."""
        self._terminal.leave()
        os.kill(os.getpid(), signal.SIGSTOP)

    def _press(self, keys: Sequence[Key]) -> None:
        for key in keys:
            if key.name == "ctrl-l":
                self._terminal.forget()
            if key.name == "ctrl-z":
                self._stop()
            self._take(key)
        explained = self._state.explained
        wanted = explained.request_id if explained is not None else ""
        if wanted and wanted != self._asked:
            self._feed.explain(wanted)
        self._asked = wanted

    def _take_news(self, events: Sequence[Event]) -> None:
        for event in events:
            self._take(event)
        self._came_s = time.monotonic()

    def _look_for_silence(self) -> None:
        """The connection stands, but nothing comes: whoever is there has stopped."""
        silent_s = time.monotonic() - self._came_s
        if self._state.link == "live" and silent_s > SILENT_S:
            self._take(LinkChanged("silent", f"lodestard says nothing (for {SILENT_S:.0f} s)"))

    def _take(self, event: Event) -> None:
        self._state = step(self._state, event)


def watch(terminal: Terminal, feed: Feed, signals_fd: int, state: State) -> int:
    """Run the screen. A terminal that is gone ends it as a hang-up does."""
    try:
        return Loop(terminal, feed, signals_fd, state).run()
    except TerminalGone:
        return signal.SIGHUP
