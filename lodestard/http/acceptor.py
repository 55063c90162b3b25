"""Takes connections from one listening socket.

Law: running out of file descriptors is no reason to spin or to die. One descriptor is kept in reserve, so that one
more connection (the operator's, on the control socket) is still answered; beyond that it waits a moment. The one that
took the reserve's place gives it back as it ends, before anybody else gets to run: whoever waits at another door must
not get the operator's.
"""

import errno
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress

import trio

BACK_OFF_S = 0.1
BURST = 64
WARN_EVERY_S = 10.0
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

logger = logging.getLogger(__name__)

Begin = Callable[[socket.socket, object, Callable[[], None]], None]


class Acceptor:
    """``begin(sock, address, freed)`` gets each connection, and calls ``freed()`` where it has closed it, before any
    other task runs. ``run`` it until cancelled.
    """

    def __init__(self, sock: socket.socket, begin: Begin) -> None:
        self._sock = sock
        self._begin = begin
        self._reserve: int | None = None
        self._ended = False
        self._silent_until_s = -1.0
        self._renew_reserve()

    async def run(self) -> None:
        try:
            while True:
                await trio.lowlevel.wait_readable(self._sock)
                if not self._accept_burst():
                    await trio.sleep(BACK_OFF_S)
        finally:
            self._ended = True  # connections may outlive it, in a drain
            self._give_up_reserve()

    def _accept_burst(self) -> bool:
        """Take what waits, but for the sake of the others not too much. False where nothing could be taken."""
        self._renew_reserve()
        for _ in range(BURST):
            try:
                self._begin(*self._sock.accept(), self._renew_reserve)
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
            self._begin(*self._sock.accept(), self._renew_reserve)
        except OSError:
            return False
        return True

    def _renew_reserve(self) -> None:
        if self._reserve is None and not self._ended:
            with suppress(OSError):
                self._reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def _give_up_reserve(self) -> None:
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None
