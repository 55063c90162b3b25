"""Who is at the other end of a connection: an address for TCP, the kernel's word for a Unix socket."""

import socket
import struct
from dataclasses import dataclass

_SO_PEERGROUPS = 59  # <asm-generic/socket.h>; the socket module does not name it
_UCRED = struct.Struct("3i")
_MOST_OPTION_BYTES = 1024  # what socket.getsockopt takes: 256 groups
_GID_BYTES = 4


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end. ``address`` is empty for Unix sockets; the rest is None or empty for TCP."""

    address: str = ""
    pid: int | None = None
    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """What connections are counted by."""
        return self.address or f"uid:{self.uid}"


def read_peer(sock: socket.socket, address: object) -> Peer:
    """The peer of an accepted socket; ``address`` is what ``accept`` gave. Raises ``OSError`` where it is gone."""
    if sock.family == socket.AF_UNIX:
        return _read_credentials(sock)
    return Peer(address=address[0] if isinstance(address, tuple) else "")


def _read_credentials(sock: socket.socket) -> Peer:
    """SO_PEERCRED and SO_PEERGROUPS (unix(7), socket(7)): as they were when the peer connected."""
    pid, uid, gid = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return Peer(pid=pid, uid=uid, gid=gid, groups=_read_groups(sock))


def _read_groups(sock: socket.socket) -> tuple[int, ...]:
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_OPTION_BYTES)
    except OSError:  # more than 256 groups, or a kernel older than 4.13: then groups give no rights
        return ()
    return struct.unpack(f"{len(raw) // _GID_BYTES}I", raw)
