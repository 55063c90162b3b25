"""Clients that ask and ask, inside the booted Debian, while it restarts or is upgraded; and what they saw.

Law: the upper half runs inside by Debian's own Python (``python3 -c``), so it imports nothing but the standard
library; the lower half starts it from a test. A client is forgiving only where HTTP wants it to be: a kept connection
that ends without a byte of an answer is *crossed* (RFC 9112 section 9.3.1) and asked once more on a new one. A reset,
a refused connection, a status other than 200 and an answer that is not whole are failures.
"""

import http.client
import itertools
import json
import os
import random
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.systemd.debian import Debian

ENOUGH_S = 120.0
"""After so long a client gives an answer up."""
MOST_S = 300.0
"""And after so long they all leave, whether or not they were told to."""
ONE_AT_A_TIME = threading.Lock()


@dataclass
class Crowd:
    """Who is to ask what: so many clients of each kind, until the file ``until`` is there."""

    until: str
    short: int = 4
    kept: int = 4
    streams: int = 2
    model: str = "local-llama"
    streamed: str = "local-llama"
    stream_tokens: int = 20
    port: int = 4000
    key: str = ""


@dataclass
class Seen:
    """What all of them saw. ``waits_s``: the longest times from asking to the first byte, over new connections."""

    answered: int = 0
    streamed: int = 0
    crossed: int = 0
    failed: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    stream_s: float = 0.0

    @property
    def longest_wait_s(self) -> float:
        return max(self.waits_s, default=0.0)

    def note_wait(self, began_s: float) -> None:
        with ONE_AT_A_TIME:
            self.waits_s = sorted([*self.waits_s, round(time.monotonic() - began_s, 3)])[-5:]


class Client:
    """One of them. ``kept`` connections are used again while the server lets them."""

    def __init__(self, crowd: Crowd, seen: Seen) -> None:
        self.crowd = crowd
        self.seen = seen
        self.connection: http.client.HTTPConnection | None = None
        self.gave_up = False

    def ask_once(self) -> None:
        """A request over a connection of its own."""
        self.hang_up()
        self._count(lambda: self._exchange(stream=False))
        time.sleep(0.05)  # what is measured has to run on the same processors

    def ask_again(self) -> None:
        """A request over the connection of the one before, where it is still open."""
        self._count(self._ask_kept)
        time.sleep(random.uniform(0.0, 0.5))  # some are idle when the drain begins, some are not

    def watch(self) -> None:
        """A stream, to its end. Who saw one broken asks for no other."""
        self.hang_up()
        began_s = time.monotonic()
        try:
            text = self._exchange(stream=True)
            assert b"data: [DONE]" in text, f"it ended with {text[-80:]!r}"
            assert b'"error"' not in text, f"it ended with {text[-300:]!r}"
        except (OSError, http.client.HTTPException, ValueError, AssertionError) as error:
            self.seen.broken.append(f"after {time.monotonic() - began_s:.2f} s: {error!r}")
            self.gave_up = True
        else:
            self.seen.streamed += 1
            self.seen.stream_s = max(self.seen.stream_s, round(time.monotonic() - began_s, 3))

    def hang_up(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def _count(self, exchange: Callable[[], bytes]) -> None:
        began_s = time.monotonic()
        try:
            assert json.loads(exchange())["choices"]
        except (OSError, http.client.HTTPException, ValueError, LookupError, AssertionError) as error:
            self.seen.failed.append(f"after {time.monotonic() - began_s:.2f} s: {error!r}")
            self.hang_up()
        else:
            self.seen.answered += 1

    def _ask_kept(self) -> bytes:
        if self.connection is not None and self.connection.sock is not None and _has_ended(self.connection.sock):
            self.hang_up()
        used = self.connection is not None and self.connection.sock is not None
        try:
            return self._exchange(stream=False)
        except http.client.RemoteDisconnected:
            self.hang_up()
            if not used:
                raise
            self.seen.crossed += 1
            return self._exchange(stream=False)

    def _exchange(self, *, stream: bool) -> bytes:
        crowd, began_s = self.crowd, time.monotonic()
        if new := self.connection is None or self.connection.sock is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", crowd.port, timeout=ENOUGH_S)
        assert self.connection is not None
        body = {
            "model": crowd.streamed if stream else crowd.model,
            "messages": [{"role": "user", "content": f"go on and on, {threading.get_ident()}"}],
            "stream": stream,
            **({"max_tokens": crowd.stream_tokens} if stream else {}),
        }
        headers = {"content-type": "application/json"}
        if crowd.key:
            headers["authorization"] = f"Bearer {crowd.key}"
        self.connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = self.connection.getresponse()
        if new:
            self.seen.note_wait(began_s)
        text = answer.read()
        if answer.status != 200:
            raise ValueError(f"{answer.status}: {text[:200]!r}")
        return text


def _has_ended(sock: socket.socket) -> bool:
    """Whether the other side has said something that nobody asked for: its end. Real clients look, too."""
    return bool(select.select([sock], [], [], 0)[0])


def run_clients(crowd: Crowd) -> Seen:
    """Let them all ask until they are told to stop."""
    seen = Seen()
    until_s = time.monotonic() + MOST_S

    def live(act: Callable[[Client], None]) -> None:
        client = Client(crowd, seen)
        while not client.gave_up and not os.path.exists(crowd.until) and time.monotonic() < until_s:
            act(client)
        client.hang_up()

    kinds = ((crowd.short, Client.ask_once), (crowd.kept, Client.ask_again), (crowd.streams, Client.watch))
    acts = itertools.chain.from_iterable(itertools.repeat(act, count) for count, act in kinds)
    threads = [threading.Thread(target=live, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


# -- from a test -------------------------------------------------------------------------------------------------


@contextmanager
def load(debian: "Debian", crowd: Crowd) -> Iterator[Seen]:
    """Clients are asking while the block runs. What they saw is in the result once it has ended."""
    seen = Seen()
    debian.run("rm", "-f", crowd.until)
    words = ("/usr/bin/python3", "-c", Path(__file__).read_text(), json.dumps(vars(crowd)))
    with ThreadPoolExecutor(1) as outside:
        running = outside.submit(debian.run, *words, timeout_s=MOST_S + ENOUGH_S)
        try:
            yield seen
        finally:
            debian.run("touch", crowd.until)
            vars(seen).update(json.loads(running.result()))


if __name__ == "__main__":
    print(json.dumps(vars(run_clients(Crowd(**json.loads(sys.argv[1]))))))  # noqa: T201
