"""Keys in, frames out, until one is picked or it is left.

Law: it decides nothing; what a key does is ``state.step``. The terminal is left as it was found, whatever happens.
"""

import os
import select
import signal

from msgspec.structs import replace

from lodestarctl.dashboard.keys import Decoder, Key
from lodestarctl.dashboard.loop import ESC_WAIT_S, LAST, open_signals
from lodestarctl.dashboard.paint import Palette
from lodestarctl.dashboard.terminal import Terminal, TerminalGone, open_terminal
from lodestarctl.picker.screen import draw
from lodestarctl.picker.state import State, step
from lodestard.control.messages.picking import PickRow


def pick(state: State, input_fd: int, output_fd: int, palette: Palette) -> PickRow | None:
    """The model that somebody picks, or None."""
    with open_signals() as signals_fd, open_terminal(input_fd, output_fd, palette) as terminal:
        try:
            return _run(terminal, signals_fd, state)
        except TerminalGone:
            return None


def _run(terminal: Terminal, signals_fd: int, state: State | None) -> PickRow | None:
    decoder = Decoder()
    state = _resized(terminal, state)
    while state is not None and not state.done:
        terminal.show(draw(state), state.width)
        wait_s = ESC_WAIT_S if decoder.waits else None
        ready, _, _ = select.select((signals_fd, terminal.input_fd), (), (), wait_s)
        if signals_fd in ready:
            numbers = os.read(signals_fd, 64)
            if any(number in LAST for number in numbers):
                return None
            if signal.SIGCONT in numbers:
                terminal.enter()
            terminal.forget()
            state = _resized(terminal, state)
        elif terminal.input_fd in ready:
            state = _press(state, decoder.feed(terminal.read()))
        else:
            state = _press(state, decoder.flush())
    return None if state is None else state.marked


def _resized(terminal: Terminal, state: State | None) -> State | None:
    if state is None:
        return None
    width, height = terminal.size()
    return replace(state, width=width, height=height)


def _press(state: State | None, keys: list[Key]) -> State | None:
    for key in keys:
        if state is None or state.done:
            break
        state = step(state, key)
    return state
