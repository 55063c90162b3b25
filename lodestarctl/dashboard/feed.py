"""What the daemon pushes, on its way to the loop: a thread that reads the socket, and comes back when it is lost.

Law: the thread only reads and hands over; the loop is woken through a pipe and takes what is there. Of a stream that
broke nothing is kept: the next one begins with a whole snapshot. Owner of the queue and of the pipe.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress

import msgspec

from lodestarctl.dashboard.state import Event, ExplanationCame, LinkChanged
from lodestard.control.client import ControlClient, ControlError, DaemonNotRunning, read_data
from lodestard.control.messages import Explanation
from lodestard.control.messages.dashboard import LiveItem

VERB = "dashboard"
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 5.0

Stream = Generator[msgspec.Raw, None, None]


class Feed:
    """Events in the order in which they came. ``wake_fd`` can be read when there are some."""

    def __init__(self, client: ControlClient) -> None:
        self._client = client
        self._events: deque[Event] = deque()
        self._stopped = threading.Event()
        self.wake_fd, self._wake = os.pipe()
        os.set_blocking(self._wake, False)

    def start(self, stream: Stream) -> None:
        """Go on with ``stream``, and with others after it."""
        self._spawn(lambda: self._follow(stream))

    def explain(self, request_id: str) -> None:
        """Ask about a request; the answer comes as an event."""
        self._spawn(lambda: self._put(self._explained(request_id)))

    def take(self) -> list[Event]:
        """All that has come."""
        with suppress(BlockingIOError):
            os.read(self.wake_fd, 4_096)
        return [self._events.popleft() for _ in range(len(self._events))]

    def stop(self) -> None:
        """No more is wanted. The threads end with the process at the latest."""
        self._stopped.set()

    def _spawn(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, daemon=True).start()

    def _put(self, event: Event) -> None:
        self._events.append(event)
        with suppress(BlockingIOError, OSError):  # full: it will wake anyway; closed: nobody is left to wake
            os.write(self._wake, b"!")

    def _follow(self, stream: Stream) -> None:
        wait_s = FIRST_WAIT_S
        while not self._stopped.is_set():
            came, why = self._read(stream)
            wait_s = FIRST_WAIT_S if came else min(2 * wait_s, LONGEST_WAIT_S)
            self._put(LinkChanged("lost", f"{why}: trying again"))
            self._stopped.wait(wait_s)
            stream = self._client.stream(VERB)

    def _read(self, stream: Stream) -> tuple[int, str]:
        """Hand over what comes until it ends: how much it was, and why it ended."""
        came = 0
        try:
            for data in stream:
                self._put(read_data(data, LiveItem))
                came += 1
                if self._stopped.is_set():
                    break
        except DaemonNotRunning:
            return came, "lodestard is not running" if not came else "lost lodestard"
        except ControlError as error:
            return came, "lost lodestard" if came else error.message.rstrip(".")
        return came, "lodestard has ended"

    def _explained(self, request_id: str) -> ExplanationCame:
        try:
            found = self._client.ask("explain", {"id": request_id}, Explanation)
        except (ControlError, DaemonNotRunning) as error:
            return ExplanationCame(request_id, failure=str(error))
        return ExplanationCame(request_id, explanation=found)
