"""F16: restarts under load, and what clients see of them.

Clients are such as real ones are: they keep their connections, look whether one was closed before they use it again,
and ask once more where it was closed without a byte of an answer (RFC 9112 section 9.3.1). What must hold: no
connection is refused, no request that was sent whole is answered by a reset, no answer is cut.
"""

import http.client
import json
import random
import select
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from lodestard.http.server import DRAIN_GRACE_S
from tests.fakes.process import CHAT, Daemon, connect, question, wait_for
from tests.faults.crowd import Crowd

PLAIN_CLIENTS, STREAM_CLIENTS, FRESH_CLIENTS = 3, 2, 1
LONGEST_PAUSE_S = 0.4
SEEN_IN_FULL = "answered"


@dataclass
class Pool:
    """One client's connection, kept as long as the server keeps it."""

    port: int
    keep: bool
    connection: http.client.HTTPConnection | None = None
    late: bool = False
    """Whether this client was kept from asking for so long that a drain may have given the connection up."""

    def take(self) -> tuple[http.client.HTTPConnection, bool]:
        """A connection, and whether it was used before."""
        if self.connection is not None and self.keep and not _has_ended(self.connection):
            return self.connection, True
        self.drop()
        self.connection = connect(self.port)
        self.connection.connect()
        return self.connection, False

    def drop(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None


def _has_ended(connection: http.client.HTTPConnection) -> bool:
    """Whether there is anything to read where nothing is to be expected: an end."""
    return connection.sock is None or bool(select.select([connection.sock], [], [], 0)[0])


@dataclass
class Load(Crowd):
    """Asks until it is told to stop, and counts what came of it."""

    daemon: Daemon
    seed: int
    outcomes: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0
    complaints: list[str] = field(default_factory=list)

    def jobs(self) -> list[Callable[[], object]]:
        kinds = ["plain"] * PLAIN_CLIENTS + ["stream"] * STREAM_CLIENTS + ["fresh"] * FRESH_CLIENTS
        return [partial(self._ask, kind, number) for number, kind in enumerate(kinds)]

    @property
    def answered(self) -> int:
        return self.outcomes[SEEN_IN_FULL]

    def _ask(self, kind: str, number: int) -> None:
        luck = random.Random(self.seed * 100 + number)
        pool = Pool(self.daemon.port, keep=kind != "fresh")
        model = {"model": "slow", "max_tokens": 12} if kind == "stream" else {"model": "paid", "max_tokens": 5}
        while not self.stopped.is_set():
            text = f"question {luck.randrange(10**9)}"
            body = question(str(model["model"]), text, max_tokens=model["max_tokens"], stream=kind == "stream")
            began_s = time.monotonic()
            self._count(self._once(pool, json.dumps(body).encode(), kind))
            if kind != "stream":
                self.longest_s = max(self.longest_s, time.monotonic() - began_s)
            self.stopped.wait(luck.random() * LONGEST_PAUSE_S)
        pool.drop()

    def _count(self, outcome: str) -> None:
        self.outcomes[outcome] += 1
        if outcome != SEEN_IN_FULL:
            self.complaints.append(f"{time.monotonic():.3f} {outcome}")

    def _once(self, pool: Pool, body: bytes, kind: str) -> str:
        began_s = time.monotonic()
        try:
            connection, used = pool.take()
        except OSError as error:
            return f"not connected: {error}"
        try:
            connection.request("POST", CHAT, body, {"content-type": "application/json"})
            pool.late = time.monotonic() - began_s > DRAIN_GRACE_S / 2
            return self._read(connection, kind)
        except (http.client.RemoteDisconnected, BrokenPipeError) as error:
            pool.drop()
            if not (used or pool.late):
                return f"broken: {error!r} on a new connection"
            self.outcomes["asked again"] += 1
            return self._once(pool, body, kind)
        except (http.client.HTTPException, OSError) as error:
            pool.drop()
            return f"broken: {error!r}"

    def _read(self, connection: http.client.HTTPConnection, kind: str) -> str:
        response = connection.getresponse()
        data = response.read()
        if response.status != http.client.OK:
            return f"status {response.status}: {data[:200]!r}"
        return SEEN_IN_FULL if kind != "stream" or b"data: [DONE]" in data else f"broken: a cut stream {data[-80:]!r}"


def restart_under_load(daemon: Daemon, seed: int, restarts: int, restart: Callable[[], object]) -> Load:
    """So many restarts at moments by ``seed``, each once the daemon has answered since the one before."""
    luck = random.Random(seed)
    with Load(daemon, seed) as load:
        for _ in range(restarts):
            seen = load.answered
            wait_for(lambda: load.answered > seen + 5 or load.complaints, "answers since the last restart")  # noqa: B023
            time.sleep(luck.random() * 0.5)
            restart()
        seen = load.answered
        wait_for(lambda: load.answered > seen + 5 or load.complaints, "answers after the last restart")
    return load


def check_load(load: Load) -> None:
    """Every request was answered, once."""
    wrong = {
        outcome: count for outcome, count in load.outcomes.items() if outcome not in (SEEN_IN_FULL, "asked again")
    }
    assert not wrong, f"{wrong}: {load.complaints[:10]}"


def check_books(load: Load, daemon: Daemon) -> None:
    """Of a daemon that is gone: the ledger has each answer that a client saw, and none that nobody asked for."""
    assert daemon.verify()["requests"] == load.answered
