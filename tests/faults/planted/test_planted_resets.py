"""Defects that a client's reset would bring to light, planted one by one; the check must see each."""

from pathlib import Path

import pytest

from lodestard.flights import Flight, LeavePolicy
from lodestard.upstream.connection import Connection
from lodestard.upstream.pool import Pool
from tests.fakes import world as worlds
from tests.fakes.world import open_world
from tests.faults.resets import Kind, reset_after

FREE = Kind("local-llama", stream=True, shared=False)
PAID = Kind("gpt-4o-mini", stream=True, shared=False)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "PATIENCE_S", 0.3)


async def leave_in_the_middle(folder: Path, kind: Kind) -> None:
    async with open_world(folder) as world:
        await reset_after(world, kind, 2)


async def test_a_free_model_that_is_not_freed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LeavePolicy, "drains", lambda _self, _flight: True)
    with pytest.raises(BaseException) as caught:
        await leave_in_the_middle(tmp_path, FREE)
    assert caught.group_contains(AssertionError, match="hang-up 1")


async def test_a_paid_answer_that_is_not_drained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LeavePolicy, "drains", lambda _self, _flight: False)
    with pytest.raises(BaseException) as caught:
        await leave_in_the_middle(tmp_path, PAID)
    assert caught.group_contains(AssertionError, match="billed")


async def test_a_client_that_is_not_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Flight, "leave", lambda _self, _policy: None)
    with pytest.raises(BaseException) as caught:
        await leave_in_the_middle(tmp_path, FREE)
    assert caught.group_contains(AssertionError, match="hang-up 1")


async def test_a_seat_that_is_not_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_back = Pool.give_back

    def forget_broken(self: Pool, connection: Connection | None) -> None:
        if connection is not None:
            give_back(self, connection)

    monkeypatch.setattr(Pool, "give_back", forget_broken)
    with pytest.raises(BaseException) as caught:
        await leave_in_the_middle(tmp_path, FREE)
    assert caught.group_contains(AssertionError, match="rest, but")
