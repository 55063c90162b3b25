"""Takes connections from one listening socket.

Law: running out of file descriptors is no reason to spin or to die. One descriptor is kept in reserve, so that one
more connection (the operator's, on the control socket) is still answered; beyond that it waits a moment.
"""

import errno
import logging
import os
import socket
from collections.abc import Callable

import trio

BACK_OFF_S = 0.1
BURST = 64
WARN_EVERY_S = 10.0
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

logger = logging.getLogger(__name__)

Begin = Callable[[socket.socket, object], None]


class Acceptor:
    """``begin(sock, address)`` gets each connection; ``run`` it until cancelled."""

    def __init__(self, sock: socket.socket, begin: Begin) -> None:
        self._sock = sock
        self._begin = begin
        self._reserve = _open_reserve()
        self._silent_until_s = -1.0

    async def run(self) -> None:
        try:
            while True:
                await trio.lowlevel.wait_readable(self._sock)
                if not self._accept_burst():
                    await trio.sleep(BACK_OFF_S)
        finally:
            self._give_up_reserve()

    def _accept_burst(self) -> bool:
        """Take what waits, but for the sake of the others not too much. False where nothing could be taken."""
        if self._reserve is None:
            self._reserve = _open_reserve()
        for _ in range(BURST):
            try:
                self._begin(*self._sock.accept())
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in _OUT_OF_RESOURCES:
                    return self._accept_in_need(error)
                continue  # that connection is gone (accept(2)): on to the next one
        return True

    def _accept_in_need(self, error: OSError) -> bool:
        if trio.current_time() > self._silent_until_s:
            self._silent_until_s = trio.current_time() + WARN_EVERY_S
            logger.warning("connections can't be accepted for now: %s", error.strerror)
        if self._reserve is None:
            return False
        self._give_up_reserve()
        try:
            self._begin(*self._sock.accept())
        except OSError:
            return False
        return True

    def _give_up_reserve(self) -> None:
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None


def _open_reserve() -> int | None:
    try:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
