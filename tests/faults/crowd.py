"""Clients that ask, each in a thread of its own, until they are told to stop."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Crowd:
    """In its context they ask; leaving it waits for them. ``jobs`` says what they do, which ends once ``stopped``."""

    stopped: threading.Event = field(default_factory=threading.Event, init=False)
    _clients: list[threading.Thread] = field(default_factory=list, init=False)

    def jobs(self) -> Sequence[Callable[[], object]]:
        """One for each client."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._clients = [threading.Thread(target=job) for job in self.jobs()]
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stopped.set()
        for client in self._clients:
            client.join()
