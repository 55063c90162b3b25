"""Ports for servers that tests start, stop and start again.

Law: none is one that the system gives to connections of other programs meanwhile: those would hold it when its server
comes back.
"""

import random
import socket

FIRST, LAST = 12_000, 32_000
"""Below those that Linux gives out itself (``net.ipv4.ip_local_port_range``, from 32768)."""

_RANDOM = random.SystemRandom()


def free_port() -> int:
    """A port that nobody has at this moment."""
    while True:
        port = _RANDOM.randrange(FIRST, LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
