"""The process begins anew: same number, same command, same listening sockets; whatever is installed by now.

Law: nothing of the old image is open any more when this is called, but the listening sockets. They keep their
clients waiting until the new image accepts. SIGTERM and SIGINT that come in between end the process, for nothing is
open that they could harm; SIGHUP is not needed, for the configuration is about to be read anyway. SIGURG is
ignored by whoever does not heed it.
"""

import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import trio

from lodestard.house import Plan
from lodestard.systemd import FIRST_FD, write_listen_fds

ASIDE_FD = 256
REHEARSAL_S = 30.0
PROXY_SOCKETS, CONTROL_SOCKET = frozenset({"proxy", "proxy-tls"}), "control"
HELD_BACK = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Successor:
    """What the next image is given: listening sockets by name. ``ours``: no service manager opened them."""

    sockets: Mapping[str, Sequence[int]]
    ours: bool


def name_successor(
    was: Plan, will: Plan, hand_on: Mapping[str, Callable[[], Sequence[int]]], *, ours: bool
) -> Successor:
    """The sockets are handed on, but for those of ours whose place is another from now on."""
    before, after = was.loaded.settings, will.loaded.settings
    moved: set[str] = set()
    if before.server.listen != after.server.listen:
        moved |= PROXY_SOCKETS
    if before.control.socket != after.control.socket:
        moved.add(CONTROL_SOCKET)
    return Successor({name: take() for name, take in hand_on.items() if not ours or name not in moved}, ours)


_held_back: list[int] = []


def stand_by() -> None:
    """A signal that comes when nobody heeds it any more, for rooms are closing, waits for that; a second one kills.

    To be called before somebody heeds them: whoever does so puts back what was there before, which is this.
    """
    for number in HELD_BACK:
        signal.signal(number, _hold_back)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _hold_back(number: int, _frame: object) -> None:
    if _held_back:  # whoever asks twice does not want to wait
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    _held_back.append(number)


def command() -> list[str]:
    """What started this process: the interpreter and its arguments."""
    return [sys.executable or sys.orig_argv[0], *sys.orig_argv[1:]]


def begin_anew(successor: Successor, execute: Callable[..., NoReturn] = os.execve) -> None:
    """Replace this process's image by a fresh one that finds its sockets as from a service manager.

    Returns where a signal has told it to end instead. Raises ``OSError`` where the command is not there any more.
    """
    names = [name for name, fds in successor.sockets.items() for _ in fds]
    lay_out(fd for fds in successor.sockets.values() for fd in fds)
    environ = dict(os.environ)
    write_listen_fds(environ, names, ours=successor.ours)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    words = command()
    for number in HELD_BACK:
        signal.signal(number, signal.SIG_DFL)
    if not _held_back:
        execute(words[0], words, environ)


def lay_out(fds: Iterable[int]) -> None:
    """Give ``fds`` the numbers from ``FIRST_FD`` on, in their order, and let them outlive the image."""
    aside = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, ASIDE_FD) for fd in fds]
    for index, fd in enumerate(aside):
        os.dup2(fd, FIRST_FD + index, inheritable=True)


async def rehearse() -> str:
    """Why a new image of this command would not start, or an empty string: it is asked to check and end."""
    try:
        with trio.fail_after(REHEARSAL_S):
            done = await trio.run_process(
                [*command(), "--check", "--json"],
                stdin=subprocess.DEVNULL,
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
    except OSError as error:
        return f"{command()[0]}: {error.strerror}"
    except trio.TooSlowError:
        return f"its check took more than {REHEARSAL_S:g} s"
    return "" if done.returncode == 0 else why_not(done.stdout, done.stderr, done.returncode)


def why_not(stdout: bytes, stderr: bytes, status: int) -> str:
    """The reason that a check gave: the configuration's first fault, otherwise its complaint's last line. Pure."""
    try:
        fault = json.loads(stdout)["data"]["faults"][0]
        return f"{fault['file']}:{fault['line']}: {fault['key']}: {fault['message']}"
    except (ValueError, LookupError, TypeError):
        lines = stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"it ended with status {status}"
