"""Who may do what over the control socket: decided by the kernel's word for who is at the other end.

Law: root and the daemon's own user may do everything; groups are named in ``[control]``; everybody else nothing.
"""

import grp
import logging
import os
import pwd
from collections.abc import Iterable
from typing import Protocol

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.settings import Control
from lodestard.domain.verbs import Need

ROOT_UID = 0

logger = logging.getLogger(__name__)


class Peer(Protocol):
    """The other end of a Unix socket, as ``SO_PEERCRED`` and ``SO_PEERGROUPS`` tell it."""

    @property
    def uid(self) -> int | None: ...
    @property
    def gid(self) -> int | None: ...
    @property
    def groups(self) -> tuple[int, ...]: ...


def name_peer(peer: Peer) -> str:
    """Who is at the other end, by name where the system knows one: for records of what was done."""
    if peer.uid is None:
        return ""
    try:
        return pwd.getpwuid(peer.uid).pw_name
    except KeyError:
        return f"uid {peer.uid}"


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """``[control]`` with its groups as numbers."""

    own_uid: int
    admin_gids: frozenset[int] = frozenset()
    read_gids: frozenset[int] = frozenset()


def level_of(peer: Peer, access: Access) -> Need | None:
    """``admin``, ``read``, or None for somebody who may do nothing. Pure."""
    if peer.uid is None:
        return None
    if peer.uid in (ROOT_UID, access.own_uid):
        return "admin"
    gids = {*peer.groups, *(() if peer.gid is None else (peer.gid,))}
    if gids & access.admin_gids:
        return "admin"
    return "read" if gids & access.read_gids else None


def require(peer: Peer, access: Access, need: Need) -> None:
    """Raises ``CallerFault(NOT_PERMITTED)`` where ``peer`` may not do what needs ``need``. Pure."""
    level = level_of(peer, access)
    if level == "admin" or level == need:
        return
    if level is None:
        message = "You may not use this socket: join a group of [control] admin_groups or read_groups."
    else:
        message = "You may look but not change things: that needs a group of [control] admin_groups."
    raise CallerFault(Code.NOT_PERMITTED, message)


def open_access(settings: Control) -> Access:
    """Look up the groups of ``[control]``. One that this machine does not have is left out, with a warning."""
    return Access(
        own_uid=os.geteuid(),
        admin_gids=_gids(settings.admin_groups),
        read_gids=_gids(settings.read_groups),
    )


def _gids(names: Iterable[str]) -> frozenset[int]:
    found = set()
    for name in names:
        try:
            found.add(grp.getgrnam(name).gr_gid)
        except KeyError:
            logger.debug("the group %s of [control] is not on this machine", name)
    return frozenset(found)
