"""Opening what is listened on."""

import os
import socket
import stat
from pathlib import Path

import pytest
import trio

from lodestard.domain.errors import HouseFault
from lodestard.http import adopt_listeners, open_tcp_listeners, open_unix_listener
from lodestard.http.listeners import _listen_everywhere
from tests.fakes.http_server import HOST, build_server, echo


def close(*listeners: trio.SocketListener) -> None:
    for listener in listeners:
        listener.socket.close()


async def test_tcp_addresses() -> None:
    listeners = await open_tcp_listeners(["127.0.0.1:0", "localhost:0"])
    names = [listener.socket.getsockname() for listener in listeners]
    assert names[0][0] == "127.0.0.1"
    assert len({name[1] for name in names[1:]}) == 1  # one port for all the addresses of a name
    close(*listeners)


@pytest.mark.parametrize("address", ["4000", "127.0.0.1", "::1:4000", "[::1]", "a b:1", "127.0.0.1:70000", ":80", ""])
async def test_what_is_no_address(address: str) -> None:
    with pytest.raises(HouseFault, match="host:port"):
        await open_tcp_listeners([address])


async def test_an_address_that_is_taken() -> None:
    first = (await open_tcp_listeners(["127.0.0.1:0"]))[0]
    port = first.socket.getsockname()[1]
    with pytest.raises(HouseFault, match=f"127.0.0.1:{port} can't be listened on: another process uses it"):
        await open_tcp_listeners(["127.0.0.1:0", f"127.0.0.1:{port}"])
    close(first)


async def test_an_address_that_is_not_ours() -> None:
    with pytest.raises(HouseFault, match=r"192\.0\.2\.1:0 can't be listened on"):
        await open_tcp_listeners(["192.0.2.1:0"])


async def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(HouseFault, match="can't be resolved"):
        await open_tcp_listeners(["nobody.invalid:80"])


def test_a_family_that_is_missing_is_left_out() -> None:
    opened: list[socket.socket] = []
    here = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 0))
    elsewhere = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("192.0.2.1", 0))
    _listen_everywhere([elsewhere, here], opened)
    assert len(opened) == 1
    opened[0].close()


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    listener = await open_unix_listener(path, 0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(HouseFault, match="Another process serves"):
        await open_unix_listener(path)
    close(listener)
    listener = await open_unix_listener(path)  # stale now
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    close(listener)


async def test_a_unix_socket_with_a_full_backlog_is_served(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    busy, waiting = socket.socket(socket.AF_UNIX), []
    busy.bind(str(path))
    busy.listen(0)
    for _ in range(2):
        waiting.append(socket.socket(socket.AF_UNIX))
        waiting[-1].setblocking(False)
        waiting[-1].connect_ex(str(path))
    with pytest.raises(HouseFault, match="Another process serves"):
        await open_unix_listener(path)
    for sock in (busy, *waiting):
        sock.close()


async def test_a_place_where_no_unix_socket_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(HouseFault, match="not a socket"):
        await open_unix_listener(tmp_path / "file")
    with pytest.raises(HouseFault, match="can't be opened: No such file or directory"):
        await open_unix_listener(tmp_path / "no" / "s.sock")
    assert (tmp_path / "file").read_text() == "precious"


async def test_inherited_sockets_serve(tmp_path: Path) -> None:
    tcp, unix = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "s.sock"))
    unix.listen()
    place = tcp.getsockname()
    server = build_server(echo)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve, adopt_listeners([tcp.detach(), unix.detach()]))
        for stream in (await trio.open_tcp_stream(*place), await trio.open_unix_socket(tmp_path / "s.sock")):
            await stream.send_all(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
            stream.socket.close()
        nursery.cancel_scope.cancel()
    assert server.addresses == (f"127.0.0.1:{place[1]}", str(tmp_path / "s.sock"))


def test_what_is_no_listening_socket(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(HouseFault, match="no listening socket"):
        adopt_listeners([fd])
    os.close(fd)
