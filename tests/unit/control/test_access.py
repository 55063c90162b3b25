"""Who may do what on the control socket."""

import os
from typing import Literal

import pytest

from lodestard.control.access import Access, level_of, open_access, require
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.settings import Control
from tests.fakes.control_exchange import FakePeer

ACCESS = Access(own_uid=990, admin_gids=frozenset({50}), read_gids=frozenset({60}))


@pytest.mark.parametrize(
    ("peer", "level"),
    [
        (FakePeer(uid=0), "admin"),
        (FakePeer(uid=990, gid=7), "admin"),
        (FakePeer(uid=1000, gid=50), "admin"),
        (FakePeer(uid=1000, gid=7, groups=(8, 50)), "admin"),
        (FakePeer(uid=1000, gid=60), "read"),
        (FakePeer(uid=1000, gid=7, groups=(60,)), "read"),
        (FakePeer(uid=1000, gid=60, groups=(50,)), "admin"),
        (FakePeer(uid=1000, gid=7), None),
        (FakePeer(uid=1000, gid=0, groups=(0,)), None),
        (FakePeer(uid=None, gid=None), None),
        (FakePeer(uid=1000, gid=None), None),
        (FakePeer(uid=None, gid=50), None),
    ],
)
def test_level(peer: FakePeer, level: str | None) -> None:
    assert level_of(peer, ACCESS) == level


@pytest.mark.parametrize(
    ("gid", "need", "allowed"),
    [(50, "admin", True), (50, "read", True), (60, "admin", False), (60, "read", True), (7, "read", False)],
)
def test_require(gid: int, need: Literal["read", "admin"], *, allowed: bool) -> None:
    peer = FakePeer(uid=1000, gid=gid)
    if allowed:
        require(peer, ACCESS, need)
        return
    with pytest.raises(CallerFault) as caught:
        require(peer, ACCESS, need)
    assert caught.value.code is Code.NOT_PERMITTED
    assert "admin_groups" in caught.value.message


def test_opened_access_knows_its_own_user_and_passes_over_groups_that_are_not_there() -> None:
    access = open_access(Control(admin_groups=("root", "no-such-group-here"), read_groups=()))
    assert access.own_uid == os.geteuid()
    assert access.admin_gids == frozenset({0})
    assert access.read_gids == frozenset()
