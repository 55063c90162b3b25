"""``lodestarctl dashboard`` in its three forms: live on a terminal, once as text, and as JSON for programs."""

import os
import signal
from typing import NamedTuple

from lodestarctl import exit_codes
from lodestarctl.dashboard.cells import Frame
from lodestarctl.dashboard.feed import VERB, Feed
from lodestarctl.dashboard.live import Live, merge
from lodestarctl.dashboard.loop import open_signals, watch
from lodestarctl.dashboard.paint import Palette, paint_line, plain_line
from lodestarctl.dashboard.screens import draw_once
from lodestarctl.dashboard.state import State, View
from lodestarctl.dashboard.terminal import is_utf8, open_terminal, why_no_screen
from lodestarctl.session import Session
from lodestarctl.table import SCREENS
from lodestarctl.usage import UsageError
from lodestard.control.client import DaemonNotRunning, read_data
from lodestard.control.messages.dashboard import LiveItem

SIGNALLED = 128


class Wanted(NamedTuple):
    """What is looked at first, and how."""

    screen: str = SCREENS[0]
    span: str = "today"
    once: bool = False
    ascii: bool = False


def run(session: Session, wanted: Wanted) -> int:
    """Show it. Raises what ``ControlClient.stream`` does, and ``UsageError`` where there can be no screen."""
    palette = Palette(colour=session.output.colour, utf8=is_utf8(os.environ) and not wanted.ascii)
    if session.output.json:
        return _stream(session, wanted)
    if wanted.once:
        return _once(session, wanted, palette)
    if why := why_no_screen(os.environ):
        raise UsageError(why)
    return _live(session, wanted, palette)


def _stream(session: Session, wanted: Wanted) -> int:
    for data in session.client.stream(VERB):
        session.output.envelope(VERB, data, indent=0)
        if wanted.once:
            break
    return exit_codes.OK


def _once(session: Session, wanted: Wanted, palette: Palette) -> int:
    live = _first(session)
    nothing_selected = {wanted.screen: View(index=-1)}
    state = State(
        width=session.output.width, live=live, screen=wanted.screen, span=wanted.span, views=nothing_selected
    )
    frame = draw_once(state)
    session.output.write(_text_of(frame, palette, styled=session.output.terminal))
    return exit_codes.OK


def _first(session: Session) -> Live:
    """The first item of the stream, which is whole."""
    for data in session.client.stream(VERB):
        return merge(None, read_data(data, LiveItem))
    raise DaemonNotRunning("lodestard has ended.")


def _text_of(frame: Frame, palette: Palette, *, styled: bool) -> str:
    lines = [paint_line(each, palette) if styled else plain_line(each, palette) for each in frame]
    while lines and not lines[-1]:
        lines.pop()
    return "".join(f"{each}\n" for each in lines)


def _live(session: Session, wanted: Wanted, palette: Palette) -> int:
    """The first item is waited for before the terminal is touched: who is not let in is told so as ever."""
    stream = session.client.stream(VERB)
    first = read_data(next(stream), LiveItem)
    feed = Feed(session.client)
    state = State(live=merge(None, first), screen=wanted.screen, span=wanted.span)
    with (
        open_signals() as signals_fd,
        open_terminal(session.stdin.fileno(), session.output.stdout.fileno(), palette) as terminal,
    ):
        feed.start(stream)
        ended = watch(terminal, feed, signals_fd, state)
        feed.stop()
    if ended == signal.SIGINT:
        return exit_codes.INTERRUPTED
    return SIGNALLED + ended if ended else exit_codes.OK
