"""``lodestard`` with one defect, by its name: what faults of clients must bring to light.

Run as ``python defective.py NAME COMMAND…``, where the command is the one that starts ``lodestard``.
"""

import socket
import sys
from collections.abc import Callable

import trio

from lodestard import doors
from lodestard.__main__ import main
from lodestard.domain.settings import Limits
from lodestard.http import acceptor, head
from lodestard.http.body import RequestBody
from lodestard.http.connection import Connection
from lodestard.http.faults import Refused
from lodestard.http.load import Load
from lodestard.http.peer import Peer
from lodestard.http.traffic import Traffic
from lodestard.http.wire import Wire

Defect = Callable[[], None]


def reads_it_all() -> None:
    """The size of a body is looked at once it is there."""
    take = RequestBody._take

    def take_late(self: RequestBody) -> bool:
        limits, self._limits = self._limits, Limits(body_bytes=1 << 40)
        if self._chunks is not None:
            self._chunks._limit = 1 << 40
        complete = take(self)
        self._limits = limits
        if complete and len(self._content or b"") > limits.body_bytes:
            raise self._too_large()
        return complete

    RequestBody._take = take_late  # type: ignore[method-assign]


def believes_both_lengths() -> None:
    """Content-Length beside Transfer-Encoding: the one is taken, the other forgotten."""
    head._check_coding = lambda _coding, **_given: None


def stumbles_over_odd_fields() -> None:
    """A head that is not a valid one is met by an exception of the wrong kind."""

    def stumble(text: str) -> Refused:
        raise IndexError(len(text))

    head._diagnose = stumble


def goes_on_after_a_refusal() -> None:
    """What comes after what was refused is read as the next request."""
    serve = Connection._serve_next

    async def serve_on(self: Connection) -> bool:
        before = len(self._wire.received)
        return await serve(self) or 0 < len(self._wire.received) != before

    async def close_at_once(self: Connection, most_s: float = 0.0) -> None:
        await trio.lowlevel.checkpoint()

    Connection._serve_next = serve_on  # type: ignore[method-assign]
    Connection._linger = close_at_once  # type: ignore[method-assign]


def keeps_a_buffer() -> None:
    """Each connection has room for what may come."""
    begin = Traffic.admit
    buffers: list[bytes] = []

    def admit(self: Traffic, peer: Peer) -> bool:
        buffers.append(b"x" * 65_536)
        return begin(self, peer)

    Traffic.admit = admit  # type: ignore[method-assign]


def waits_for_heads() -> None:
    """A head may take as long as it likes."""
    receive = Connection._receive_head_end

    async def wait_for_head(self: Connection) -> int:
        return await receive(self)

    Connection._wait_head_end = wait_for_head  # type: ignore[method-assign]


def waits_for_readers() -> None:
    """Whoever takes an answer is never too slow."""

    async def wait_long(self: Wire) -> None:
        await trio.lowlevel.wait_writable(self.fd)

    Wire._wait_writable = wait_long  # type: ignore[method-assign]


def admits_all() -> None:
    """An address may have as many connections as it likes."""

    def admit(self: Traffic, peer: Peer) -> bool:
        self.connections += 1
        self._per_peer[peer.key] += 1
        return True

    Traffic.admit = admit  # type: ignore[method-assign]


def keeps_no_descriptor() -> None:
    """Clients of the proxy may have every one, and no door has one in reserve."""
    doors.KEPT_DESCRIPTORS = 0  # type: ignore[attr-defined]
    acceptor.Acceptor._renew_reserve = lambda _self: None  # type: ignore[assignment,method-assign]


def spins() -> None:
    """Who can't accept a connection tries again at once."""
    keeps_no_descriptor()
    acceptor.BACK_OFF_S = 0.0


def counts_nothing() -> None:
    """There is always room."""
    Load.take = lambda _self, _more_bytes: True  # type: ignore[assignment,method-assign]


def forgets_to_give_back() -> None:
    """What was counted for a body stays counted."""
    RequestBody.release = lambda _self: None  # type: ignore[assignment,method-assign]


def keeps_a_little() -> None:
    """Of each exchange something is kept for ever: as much as one read can bring."""
    kept: list[bytearray] = []
    release = RequestBody.release

    def keep(self: RequestBody) -> None:
        kept.append(bytearray(b"a" * 65_536))
        release(self)

    RequestBody.release = keep  # type: ignore[method-assign]


def leaves_sockets_open() -> None:
    """A connection that ended without a goodbye is not closed."""
    kept: list[socket.socket] = []
    forget = Wire.close

    def close(self: Wire) -> None:
        kept.append(self._sock.dup())
        forget(self)

    Wire.close = close  # type: ignore[method-assign]


DEFECTS: dict[str, Defect] = {
    "keeps a little": keeps_a_little,
    "leaves sockets open": leaves_sockets_open,
    "counts nothing": counts_nothing,
    "forgets to give back": forgets_to_give_back,
    "keeps no descriptor": keeps_no_descriptor,
    "spins": spins,
    "waits for heads": waits_for_heads,
    "waits for readers": waits_for_readers,
    "admits all": admits_all,
    "keeps a buffer": keeps_a_buffer,
    "reads it all": reads_it_all,
    "believes both lengths": believes_both_lengths,
    "stumbles over odd fields": stumbles_over_odd_fields,
    "goes on after a refusal": goes_on_after_a_refusal,
}


if __name__ == "__main__":
    DEFECTS[sys.argv[1]]()
    sys.argv = ["lodestard", *sys.argv[sys.argv.index("lodestard") + 1 :]]
    sys.exit(main())
