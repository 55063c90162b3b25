"""Opens the sockets that a server listens on: TCP addresses, a Unix socket, or what systemd hands over.

Law: an address that can't be had is a ``HouseFault`` that says why; a socket that somebody serves is never taken
away from them.
"""

import errno
import ipaddress
import os
import re
import socket
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import trio

from lodestard.domain.errors import Code, HouseFault

BACKLOG = 4096
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]\s]+)):([0-9]{1,5})")
_LARGEST_PORT = 65535
_NOT_HERE = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


async def open_tcp_listeners(addresses: Sequence[str]) -> list[trio.SocketListener]:
    """``127.0.0.1:4000``, ``[::1]:4000``, ``localhost:0`` → listeners, all of them or none.

    A name may stand for several addresses. Raises ``HouseFault``.
    """
    listeners: list[trio.SocketListener] = []
    try:
        for address in addresses:
            listeners += await _open_address(address)
    except BaseException:
        for listener in listeners:
            listener.socket.close()
        raise
    return listeners


async def open_unix_listener(path: str | os.PathLike[str], mode: int = 0o660) -> trio.SocketListener:
    """Listen at ``path``. A socket that nobody serves any more is replaced. Raises ``HouseFault``."""
    await trio.lowlevel.checkpoint()
    place = Path(path)
    try:
        _clear_stale(place)
        return _listen_unix(place, mode)
    except OSError as error:
        raise HouseFault(Code.INTERNAL, f"The socket {place} can't be opened: {_reason(error)}.") from error


def adopt_listeners(fds: Iterable[int]) -> list[trio.SocketListener]:
    """Listening sockets (TCP or Unix) that somebody opened for us, by descriptor. Raises ``HouseFault``."""
    return [_adopt(fd) for fd in fds]


def find_exposed(listeners: Iterable[trio.SocketListener]) -> tuple[str, ...]:
    """The addresses of those that other machines can reach. A Unix socket is this machine's own."""
    places = [listener.socket.getsockname() for listener in listeners if listener.socket.family != socket.AF_UNIX]
    return tuple(name_place(place) for place in places if not ipaddress.ip_address(place[0]).is_loopback)


def name_place(place: object) -> str:
    """What a socket is bound to: ``127.0.0.1:4000``, ``[::1]:4000``, or the path of a Unix socket."""
    if not isinstance(place, tuple):
        return os.fsdecode(cast("str | bytes", place))
    host = f"[{place[0]}]" if ":" in place[0] else place[0]
    return f"{host}:{place[1]}"


def _adopt(fd: int) -> trio.SocketListener:
    try:
        sock = socket.socket(fileno=fd)
        sock.setblocking(False)
        return trio.SocketListener(trio.socket.from_stdlib_socket(sock))
    except (OSError, ValueError) as error:
        raise HouseFault(Code.INTERNAL, f"The inherited descriptor {fd} is no listening socket.") from error


async def _open_address(address: str) -> list[trio.SocketListener]:
    host, port = _split(address)
    try:
        places = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise HouseFault(Code.INTERNAL, f"The address {address} can't be resolved: {_reason(error)}.") from error
    opened: list[socket.socket] = []
    try:
        _listen_everywhere(places, opened)
    except OSError as error:
        for sock in opened:
            sock.close()
        raise HouseFault(Code.INTERNAL, f"The address {address} can't be listened on: {_reason(error)}.") from error
    return [trio.SocketListener(trio.socket.from_stdlib_socket(sock)) for sock in opened]


def _split(address: str) -> tuple[str, int]:
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match[3]) > _LARGEST_PORT:
        raise HouseFault(Code.INTERNAL, f"Not an address to listen on: {address!r} (write host:port).")
    return match[1] or match[2], int(match[3])


def _listen_everywhere(
    places: Iterable[tuple[int, int, int, str, tuple[object, ...]]], opened: list[socket.socket]
) -> None:
    """One socket for each place; with port 0 all get the port that the first one got."""
    missing: OSError | None = None
    for family, kind, protocol, _, place in places:
        port = opened[0].getsockname()[1] if opened else place[1]
        try:
            opened.append(_listen_tcp(family, kind, protocol, (place[0], port, *place[2:])))
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
            missing = error
    if not opened and missing is not None:
        raise missing


def _listen_tcp(family: int, kind: int, protocol: int, place: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(place)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _listen_unix(place: Path, mode: int) -> trio.SocketListener:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.bind(str(place))
        place.chmod(mode)  # before listen(): until then nobody can connect
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


def _clear_stale(place: Path) -> None:
    try:
        kind = place.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise HouseFault(Code.INTERNAL, f"{place} exists and is not a socket; move it away.")
    if _is_served(place):
        raise HouseFault(Code.INTERNAL, f"Another process serves the socket {place}; stop it first.")
    place.unlink(missing_ok=True)


def _is_served(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(place))
        except ConnectionRefusedError:
            return False
        except BlockingIOError:  # its backlog is full
            return True
        return True


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another process uses it"
    return error.strerror or type(error).__name__
