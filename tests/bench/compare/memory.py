"""What a connection that is kept open and silent costs a server in memory."""

import resource
import socket
import time
from contextlib import ExitStack

from tests.bench.compare import procs
from tests.bench.compare.asks import Want
from tests.bench.compare.gateway import Gateway

CONNECTIONS = 1_000
FEWEST = 50
PATIENCE_S = 5.0
REST_S = 0.3
SPARE_FDS = 200
MB_PER_KIB = 1024 / 1e6


def allow_connections() -> None:
    """Let this process, and those that it starts, open as many files as they may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def idle_kib(server: Gateway) -> float | None:
    """KiB a connection, after each has had one answer; None where it can't be told."""
    if server.pid is None or resource.getrlimit(resource.RLIMIT_NOFILE)[0] < CONNECTIONS + SPARE_FDS:
        return None
    request, opened, deadline_s = server.ask(Want("1k")).whole(), 0, time.perf_counter() + PATIENCE_S
    with ExitStack() as stack:
        before_mb = procs.memory_mb(server.pid)
        while opened < CONNECTIONS and time.perf_counter() < deadline_s:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S))
            connection.sendall(request)
            if not connection.recv(65_536).startswith(b"HTTP/1.1 200"):
                return None
            opened += 1
        time.sleep(REST_S)
        after_mb = procs.memory_mb(server.pid)
    return (after_mb - before_mb) / MB_PER_KIB / opened if opened >= FEWEST else None
