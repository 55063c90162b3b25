"""Clients that write bytes of their own, well-formed or not, to a real daemon: what it says, and whether it ends."""

import json
import re
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.fakes.process import CHAT, PATIENCE_S, question

_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")
_PORTION = 256 * 1024
PEERS = 250
MOST_BYTES = 64 * 1024 * 1024
"""Who says more than this is not waited for any longer."""


@dataclass
class Said:
    """All that a connection has said. ``closed``: it ended in time; ``sent_bytes``: what it took."""

    data: bytes
    closed: bool
    sent_bytes: int
    took_s: float

    @property
    def statuses(self) -> tuple[int, ...]:
        return tuple(int(status) for status in _STATUS.findall(self.data) if status != b"100")


def dial(port: int, *, peer: int = 0, patience_s: float = PATIENCE_S, window_bytes: int = 0) -> socket.socket:
    """A connection from one of the addresses of 127.0.0.0/8: connections are counted by address.

    ``window_bytes``: how much it takes before it is read; 0 for what the kernel thinks best.
    """
    sock = socket.socket()
    if window_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window_bytes)
    sock.settimeout(patience_s)
    sock.bind((f"127.0.{1 + peer // PEERS}.{1 + peer % PEERS}", 0))
    sock.connect(("127.0.0.1", port))
    return sock


def write_chat(model: str, text: str = "hello", *, headers: Mapping[str, str] | None = None, **members: Any) -> bytes:
    """A chat completion as bytes."""
    return write_post(json.dumps(question(model, text, **members)).encode(), headers)


def write_post(body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """A POST of ``body`` to the chat endpoint; ``headers`` lie over what is usual."""
    fields = {"host": "127.0.0.1", "content-type": "application/json", "content-length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in (fields | dict(headers or {})).items() if value)
    return f"POST {CHAT} HTTP/1.1\r\n{lines}\r\n".encode() + body


def say(port: int, pieces: Iterable[bytes], *, ends: bool = False, patience_s: float = PATIENCE_S) -> Said:
    """Send all of it before anything is read, as most clients do; then read to the end.

    ``ends``: end our side after it. Whoever is cut off in the midst of sending reads what there is.
    """
    began_s, sent_bytes = time.monotonic(), 0
    with dial(port, patience_s=patience_s) as sock:
        try:
            for piece in pieces:
                sock.sendall(piece)
                sent_bytes += len(piece)
            if ends:
                sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        data, closed = read_to_end(sock)
    return Said(data, closed, sent_bytes, time.monotonic() - began_s)


def read_to_end(sock: socket.socket) -> tuple[bytes, bool]:
    """Everything, and whether it came to an end in time."""
    data = bytearray()
    try:
        while (piece := sock.recv(_PORTION)) and len(data) < MOST_BYTES:
            data += piece
    except ConnectionResetError:
        pass
    except TimeoutError:
        return bytes(data), False
    return bytes(data), len(data) < MOST_BYTES
