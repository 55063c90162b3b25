"""One socket's bytes, at its edges."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio
import trio.testing

from lodestard.http.faults import ClientLeft
from lodestard.http.load import Load
from lodestard.http.peer import read_peer
from lodestard.http.wire import Wire

RESET = struct.pack("ii", 1, 0)


@contextmanager
def wire_pair() -> Iterator[tuple[Wire, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    ours.setblocking(False)
    wire = Wire(ours, 30.0, Load())
    yield wire, theirs
    wire.close()
    theirs.close()


async def test_a_reset_while_receiving() -> None:
    with wire_pair() as (wire, theirs):
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        theirs.close()
        with pytest.raises(ClientLeft):
            await wire.receive()
        assert wire.broken
        for nothing_happens in (wire.end_sending, wire.stop_receiving, wire.reset_on_close, wire.close, wire.close):
            nothing_happens()
        wire.send_if_possible(b"a")
        with pytest.raises(ClientLeft):
            await wire.send(b"a")


async def test_a_send_that_finds_the_reset() -> None:
    with wire_pair() as (wire, theirs):
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        theirs.close()
        wire.send_if_possible(b"a")
        assert wire.broken
        with pytest.raises(ClientLeft):
            await wire.flush()
            await wire.send(b"a")


async def test_readiness_for_nothing_is_borne(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait_readable(_fd: int) -> None:
        await trio.lowlevel.checkpoint()

    monkeypatch.setattr(trio.lowlevel, "wait_readable", wait_readable)
    with wire_pair() as (wire, _):
        assert await wire.receive()
        assert wire.received == b""


async def test_a_fast_reader_does_not_keep_the_others_waiting() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        with wire_pair() as (wire, theirs):
            for _ in range(1000):
                await wire.send(b"a" * 100)
                assert len(theirs.recv(1000)) == 100
        nursery.cancel_scope.cancel()
    assert turns >= 3


async def test_a_cancelled_send_is_ended_by_flush() -> None:
    data = b"a" * 10_000_000
    with wire_pair() as (wire, theirs):
        with trio.CancelScope() as scope:
            scope.cancel()
            await wire.send(data)
        assert wire.unsent
        stream, got = trio.SocketStream(trio.socket.from_stdlib_socket(theirs.dup())), 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wire.flush)
            while got < len(data):
                got += len(await stream.receive_some(1_000_000))
        await wire.flush()
        assert got == len(data)
        await stream.aclose()


def test_groups_that_can_not_be_read_give_no_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert read_peer(ours, "").uid is not None
        monkeypatch.setattr("lodestard.http.peer._SO_PEERGROUPS", 9999)
        assert read_peer(ours, "").groups == ()
