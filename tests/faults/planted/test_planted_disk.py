"""Defects that a failing disk would bring to light, planted one by one; the check must see each."""

from pathlib import Path

import pytest

from lodestard.budget.rules import Amounts
from lodestard.domain.errors import Code, Fault, HouseFault
from lodestard.domain.ports import EntryPort
from lodestard.domain.upstream import Candidate
from lodestard.ledger.entry import Attempt
from lodestard.ledger.ledger import Ledger, _entry
from tests.faults.disks import Disks, fill_up


async def test_a_hold_that_goes_on_though_it_was_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = Ledger.hold

    async def hold_anyway(
        self: Ledger, entry: EntryPort, candidate: Candidate, worst_nano_usd: int, worst_tokens: int = 0
    ) -> Attempt:
        try:
            return await hold(self, entry, candidate, worst_nano_usd)
        except Fault:
            return self._begin(_entry(entry), candidate, Amounts(worst_nano_usd, worst_tokens, 1))

    monkeypatch.setattr(Ledger, "hold", hold_anyway)
    with pytest.raises(BaseException) as caught:
        await fill_up(tmp_path, Disks())
    assert caught.group_contains(AssertionError)


async def test_a_ledger_that_stops_free_models_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = Ledger.hold

    async def hold_all(
        self: Ledger, entry: EntryPort, candidate: Candidate, worst_nano_usd: int, worst_tokens: int = 0
    ) -> Attempt:
        if not self._store.health.ok:  # type: ignore[attr-defined]
            raise HouseFault(Code.LEDGER_UNAVAILABLE, "The ledger can't be written.")
        return await hold(self, entry, candidate, worst_nano_usd)

    monkeypatch.setattr(Ledger, "hold", hold_all)
    with pytest.raises(BaseException) as caught:
        await fill_up(tmp_path, Disks())
    assert caught.group_contains(AssertionError, match="ledger_unavailable")
