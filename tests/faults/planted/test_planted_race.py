"""Defects that a race for a budget would bring to light, planted one by one; the check must see each."""

from pathlib import Path
from typing import Any

import pytest
import trio

from lodestard.budget.judge import Standing
from lodestard.domain.errors import BudgetFault
from lodestard.ledger import Ledger
from lodestard.ledger.keeper import Keeper
from tests.faults.planted.finding import found
from tests.faults.races import LAYOUTS, race


def look_first_hold_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look and the hold as two steps, with a task switch between them."""
    hold = Ledger.hold

    async def look_and_hold(self: Ledger, entry: Any, candidate: Any, worst: int, tokens: int = 0) -> Any:
        room = self.find_room(entry, candidate)
        if room.nano_usd is not None and worst > room.nano_usd:
            raise BudgetFault("There is no room.", budget="all", final=True)
        await trio.lowlevel.checkpoint()
        return await hold(self, entry, candidate, worst, tokens)

    monkeypatch.setattr(Keeper, "_require_room", lambda *_: None)
    monkeypatch.setattr(Ledger, "hold", look_and_hold)


def forget_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    def room(self: Standing, unit: Any) -> int | None:
        limit = self.limit(unit)
        return None if limit is None else max(0, limit - getattr(self.spent, unit))

    monkeypatch.setattr(Standing, "room", room)


async def test_a_look_before_the_hold(ram_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look_first_hold_later(monkeypatch)
    with found("were dispatched"):
        await race(ram_path, LAYOUTS[0])


async def test_what_is_held_is_not_counted(ram_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_what_is_held(monkeypatch)
    with found("were dispatched"):
        await race(ram_path, LAYOUTS[0])
