"""What a rule of the RFCs is in our tests: data. ``check`` runs one against the real listener.

After what a rule sends comes one more request, ``LAST``: where the connection is to go on it must be answered, where
not it must never be seen. So each rule also proves that nothing was read past the request, or short of its end.
"""

import re
from typing import NamedTuple

import trio
import trio.testing

from lodestard.domain.settings import Limits
from lodestard.http import HttpExchange
from tests.fakes.http_server import build_server, serving

LIMITS = Limits(head_bytes=12 * 1024, body_bytes=100_000, keep_alive_s=1.0)
EOF = b""
"""A portion that ends the client's side."""
GET = b"GET / HTTP/1.1\r\n"
HOST = b"Host: a\r\n"
END = b"\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")

Sent = bytes | tuple[bytes, ...]
"""What a client sends, or the portions that it waits between."""


class Want(NamedTuple):
    """What must come of it. ``seen``: the requests that a handler got whole; ``shows`` and ``hides``: bytes that must
    and must not be in the answers.
    """

    statuses: tuple[int, ...]
    closed: bool
    seen: tuple[str, ...] = ()
    shows: tuple[bytes, ...] = ()
    hides: tuple[bytes, ...] = ()


class Rule(NamedTuple):
    """One demand. ``section``: of which RFC; ``cases``: each must come out as ``want`` says."""

    section: str
    demand: str
    ours: str
    want: Want
    cases: tuple[Sent, ...]


def rule(section: str, demand: str, ours: str, want: Want, *cases: Sent) -> Rule:
    return Rule(section, demand, ours, want, cases)


def refused(status: int) -> Want:
    """Answered so, closed, and no handler saw it."""
    return Want((status,), closed=True)


def served(*seen: str) -> Want:
    """Each answered with 200, and the connection goes on."""
    return Want((200,) * len(seen), closed=False, seen=seen)


def shown(seen: str, *shows: bytes, hides: tuple[bytes, ...] = ()) -> Want:
    """Served, and the answer looks so."""
    return Want((200,), closed=False, seen=(seen,), shows=shows, hides=hides)


def last(seen: str) -> Want:
    """Served, and the connection ends with it."""
    return Want((200,), closed=True, seen=(seen,), shows=(b"connection: close\r\n",))


class Handler:
    """Reads what it is asked for, and says which requests it got whole."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def __call__(self, exchange: HttpExchange) -> None:
        body = b"" if exchange.path == "/unread" else await exchange.read_body()
        target = exchange.path + (f"?{exchange.query}" if exchange.query else "")
        if exchange.path == "/host":
            target += f" of {exchange.headers.get('host')}"
        self.seen.append(f"{exchange.method} {target}{f' {len(body)}:' if body else ''}{body[:20].decode('latin-1')}")
        if exchange.path == "/stream":
            await exchange.start(200, [])
            await exchange.send(b"piece")
            await exchange.finish()
        else:
            await exchange.respond(204 if exchange.path == "/204" else 200, [("x-field", "value")], b"content")


def cut(portion: bytes, most_bytes: int) -> list[bytes]:
    return [portion[at : at + most_bytes] for at in range(0, len(portion), most_bytes)] or [portion]


async def check(want: Want, sent: Sent, *, portion_bytes: int = 1 << 20) -> None:
    """Raises ``AssertionError`` where it comes out otherwise."""
    portions = [sent] if isinstance(sent, bytes) else list(sent)
    portions = [piece for portion in portions for piece in cut(portion, portion_bytes)]
    if portions[-1] != EOF:
        portions[-1] += LAST
    handler = Handler()
    async with serving(build_server(handler, limits=LIMITS)) as running:
        client = await running.connect()
        for portion in portions:
            if portion == EOF:
                await client.stream.send_eof()
            else:
                await client.send(portion)
            await trio.testing.wait_all_tasks_blocked()
        data = (await client.read_all()).removesuffix(b"<reset>")
    ends = portions[-1] != EOF and not want.closed
    assert handler.seen == [*want.seen, *(["GET /last"] if ends else [])], data
    assert tuple(map(int, _STATUS.findall(data))) == want.statuses + ((200,) if ends else ()), data
    for shown_bytes in want.shows:
        assert shown_bytes in data
    for hidden in want.hides:
        assert hidden not in data
    if want.statuses and want.closed:
        assert b"connection: close\r\n" in data[data.rindex(b"HTTP/1.1 ") :]
