"""F13: what is no request, or two at once, against the real process: the rules of the RFCs, and mangled requests.

What must hold: what a rule refuses is answered with its status, once, and the connection ends: no handler sees it,
nor what comes after it on the connection. What is mangled by seed is never answered as a fault of ours, never waited
for when its client has ended, and leaves nothing behind.
"""

import gzip
import json
import random
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.fakes.process import CHAT, question
from tests.faults.raw import Said, dial, read_to_end, write_chat, write_post
from tests.rooms.http import rfc9110, rfc9112, rfc9112_bodies
from tests.rooms.http.rules import EOF, LIMITS, Want

RULES = rfc9112.RULES + rfc9112_bodies.RULES + rfc9110.RULES
SETTINGS = {
    "server": {
        "allowed_hosts": ["a"],
        "limits": {
            "head_bytes": LIMITS.head_bytes,
            "body_bytes": LIMITS.body_bytes,
            "keep_alive_s": LIMITS.keep_alive_s,
        },
    }
}
ALIAS = "nobody-has-it"
LAST = write_chat(ALIAS, headers={"connection": "close"})
AT_CHAT = f"POST {CHAT} HTTP/1.1\r\nContent-Type: application/json\r\n".encode()
REACHED = b"x-lodestar-request-id: "
PAUSE_S = 0.002
PATIENCE_S = 5.0
OURS_TO_SAY = frozenset({501, 505})
"""Of the statuses from 500 on, those that tell a client of its own fault."""
MOST_BYTES = 4_000
_BODY = json.dumps(question(ALIAS)).encode()
_CHUNKS = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (_BODY[:9], _BODY[9:], b""))
_PACKED = gzip.compress(_BODY)


@dataclass
class Tally:
    """What was said how often. ``reached``: requests that came as far as a handler which writes a row."""

    statuses: Counter[int] = field(default_factory=Counter)
    reached: int = 0
    count: int = 0

    def add(self, said: Said) -> None:
        self.count += 1
        self.statuses.update(said.statuses)
        self.reached += said.data.count(REACHED)

    def __str__(self) -> str:
        return ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses.items()))


def is_refusal(want: Want) -> bool:
    return want.closed and not want.seen and len(want.statuses) == 1


def hold_to_rules(port: int, tally: Tally) -> int:
    """Every case of every rule; how many of them were refusals."""
    refusals = 0
    for rule in RULES:
        for number, sent in enumerate(rule.cases):
            portions = [for_chat(portion) for portion in (sent if isinstance(sent, tuple) else (sent,))]
            said = tell(port, portions if portions[-1] == EOF else [*portions, LAST])
            where = f"{rule.section} {rule.demand[:50]!r} {number}: {said.data[:300]!r}"
            assert said.closed, f"left open: {where}"
            if is_refusal(rule.want):
                refusals += 1
                assert said.statuses == rule.want.statuses, f"not {rule.want.statuses}: {where}"
                assert b"connection: close\r\n" in said.data, where
            check_status(said, where)
            tally.add(said)
    return refusals


def for_chat(portion: bytes) -> bytes:
    """The same to an endpoint that reads bodies."""
    return portion.replace(b"POST / HTTP/1.1\r\n", AT_CHAT)


def check_status(said: Said, where: str) -> None:
    ours = [status for status in said.statuses if status >= 500 and status not in OURS_TO_SAY]
    assert not ours, f"a fault of ours ({ours}): {where}"


def tell(port: int, portions: Sequence[bytes], *, ends: bool = False) -> Said:
    """Send portions that are likely to be read one by one; an empty one ends our side."""
    began_s = time.monotonic()
    with dial(port, patience_s=PATIENCE_S) as sock:
        try:
            for number, portion in enumerate(portions):
                if number:
                    time.sleep(PAUSE_S)
                if portion == EOF:
                    sock.shutdown(socket.SHUT_WR)
                else:
                    sock.sendall(portion)
            if ends:
                sock.shutdown(socket.SHUT_WR)
        except OSError:  # it is closed already: what was said counts
            pass
        data, closed = read_to_end(sock)
    return Said(data, closed, 0, time.monotonic() - began_s)


# -- by seed -----------------------------------------------------------------------------------------------------


def corpus() -> list[bytes]:
    """Whole requests, good ones and bad ones, to make worse ones of."""
    ruled = [for_chat(b"".join(sent) if isinstance(sent, tuple) else sent) for rule in RULES for sent in rule.cases]
    chats = [
        write_chat(ALIAS),
        write_chat(ALIAS, stream=True) + LAST,
        write_post(_CHUNKS, {"content-length": "", "transfer-encoding": "chunked"}),
        write_post(_PACKED, {"content-encoding": "gzip"}),
        write_post(_BODY, {"expect": "100-continue"}),
    ]
    return [each for each in ruled if len(each) <= MOST_BYTES] + chats * (len(ruled) // 20)


def mangle(luck: random.Random, requests: Sequence[bytes]) -> list[bytes]:
    """A request that was changed in one to three places, in one portion or in several."""
    data = bytearray(luck.choice(requests))
    for _ in range(luck.choice((1, 1, 2, 3))):
        _change(luck, data, requests)
    if luck.random() < 0.7:
        return [bytes(data)]
    cuts = sorted(luck.randrange(len(data) + 1) for _ in range(luck.randint(1, 3)))
    parts = [bytes(data[start:end]) for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return [part for part in parts if part] or [b"\r\n"]


def _change(luck: random.Random, data: bytearray, requests: Sequence[bytes]) -> None:
    at = luck.randrange(len(data) + 1)
    match luck.randrange(6):
        case 0:
            data[at:at] = luck.choice((b"\r", b"\n", b"\0", b" ", b":", b"\t", b",", b"\r\n", b"\r\n\r\n", b"\xff"))
        case 1:
            del data[at : at + luck.choice((1, 1, 2, 8))]
        case 2:
            data[at : at + 1] = bytes([luck.randrange(256)])
        case 3:
            data[at:at] = data[at : at + luck.randrange(60)]
        case 4:
            lines = data.split(b"\r\n")
            lines.insert(luck.randrange(len(lines)), lines.pop(luck.randrange(len(lines))))
            data[:] = b"\r\n".join(lines)
        case _:
            data[at:] = (other := luck.choice(requests))[luck.randrange(len(other) + 1) :]


def mangle_at(port: int, seed: int, count: int, tally: Tally) -> None:
    """So many mangled requests; each is answered, or ended, while its client waits."""
    requests = corpus()
    for number in range(count):
        portions = mangle(random.Random(f"{seed} {number}"), requests)
        said = tell(port, portions, ends=True)
        where = f"seed {seed}, number {number}: {b''.join(portions)[:500]!r} → {said.data[:300]!r}"
        assert said.closed, f"left open: {where}"
        check_status(said, where)
        tally.add(said)
