"""One task that notices clients leaving, for all exchanges of a server that want to know.

Law: a connection is watched by one system call for all its exchanges, and by no task of its own; no byte of the next
request is read.
Owner: the server that serves.
"""

import logging
import select
from collections.abc import Callable
from typing import Self

import trio

logger = logging.getLogger(__name__)

OnLeave = Callable[[], None]


class Sentry:
    """An epoll that trio waits for. Closed by leaving its context."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watched: dict[int, OnLeave] = {}
        self._known: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._epoll.close()

    def watch(self, fd: int, on_leave: OnLeave) -> None:
        """Call ``on_leave`` once when the other end of ``fd`` ends its side or resets (EPOLLRDHUP, epoll_ctl(2))."""
        if fd not in self._known:
            self._epoll.register(fd, select.EPOLLRDHUP)
            self._known.add(fd)
        self._watched[fd] = on_leave

    def unwatch(self, fd: int) -> None:
        """Nobody wants to know any more. Does nothing where it was told already."""
        self._watched.pop(fd, None)

    def forget(self, fd: int) -> None:
        """Before ``fd`` is closed."""
        self.unwatch(fd)
        if fd in self._known:
            self._known.remove(fd)
            self._epoll.unregister(fd)

    async def run(self) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._epoll.fileno())
            for fd, _ in self._epoll.poll(0):
                self._tell(fd)

    def _tell(self, fd: int) -> None:
        """Who leaves between two exchanges is told of when the next one begins to watch."""
        on_leave = self._watched.get(fd)
        self.forget(fd)
        try:
            if on_leave is not None:
                on_leave()
        except Exception as error:  # noqa: BLE001 - a firewall: one exchange's mistake must not blind the others
            logger.error("on_leave failed with %s", type(error).__name__)  # noqa: TRY400 - its text may quote a request
