"""Defects that random traffic under budgets would bring to light, planted one by one; the checks must see each."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from lodestard import pipeline
from lodestard.budget import cost_nano_usd
from lodestard.budget.rules import NOTHING, Amounts
from lodestard.domain.price import Price
from lodestard.domain.usage import Usage
from lodestard.ledger import Attempt, Ledger, budgets
from lodestard.ledger.entry import spent_by
from lodestard.ledger.keeper import Keeper
from tests.faults.planted.finding import found
from tests.faults.planted.late_hold import hold_later
from tests.faults.planted.test_planted_race import forget_what_is_held, look_first_hold_later
from tests.faults.trials import Trial

ENOUGH = 60
COST = "lodestard.ledger.ledger.cost_nano_usd"
Plant = Callable[[pytest.MonkeyPatch], object]


def count_in_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    def cost_of(usage: Usage, price: Price) -> int:
        usd = (usage.prompt_tokens - usage.cached_tokens) * (price.input_pico_usd / 1e12)
        usd += usage.cached_tokens * ((price.cache_read_pico_usd or 0) / 1e12)
        usd += usage.completion_tokens * (price.output_pico_usd / 1e12)
        return math.ceil(usd * 1e9)

    monkeypatch.setattr(COST, cost_of)


def round_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(COST, lambda usage, price: max(0, (cost_nano_usd(usage, price) or 0) - 1))


def release_where_a_client_left(monkeypatch: pytest.MonkeyPatch) -> None:
    may_be_billed = pipeline.may_be_billed

    def unless_cancelled(error: BaseException | None, record: Any) -> bool:
        return not isinstance(error, trio.Cancelled) and may_be_billed(error, record)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "may_be_billed", unless_cancelled)


def hold_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "hold", hold_later)


def begin_anew_after_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "count_in", lambda *_: [])


def spend_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    settle = Keeper.settle

    def settle_twice(self: Keeper, charge: Any, spent: Amounts, now_ms: int) -> None:
        settle(self, charge, spent, now_ms)
        for counter in charge.counters:
            counter.spend(spent, charge.at_ms)

    monkeypatch.setattr(Keeper, "settle", settle_twice)


def forget_what_is_under_way_at_a_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Keeper, "recharge", lambda _self, charge, _applicant, _new: charge)


def charge_nothing_for_what_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def spent(attempt: Attempt) -> Amounts:
        return NOTHING if attempt.state == "unknown" else spent_by(attempt)

    monkeypatch.setattr("lodestard.ledger.ledger.spent_by", spent)


PLANTED: list[tuple[Plant, str]] = [
    (count_in_floats, r"billed \d+, captured"),
    (round_down, r"billed \d+, captured"),
    (release_where_a_client_left, r"billed \d+, released"),
    (hold_too_late, "its hold is not in the ledger"),
    (look_first_hold_later, "are spent or held"),
    (forget_what_is_held, "are spent or held"),
    (begin_anew_after_a_crash, "are spent or held|counted"),
    (spend_twice, "counted"),
    (forget_what_is_under_way_at_a_reload, "are spent or held|counted"),
    (charge_nothing_for_what_is_unknown, "are spent or held|counted"),
]


@pytest.mark.parametrize(("plant", "words"), PLANTED, ids=lambda value: getattr(value, "__name__", ""))
async def test_planted(
    ram_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch, plant: Plant, words: str
) -> None:
    plant(monkeypatch)
    with found(words):
        await some_trials(ram_path)


async def some_trials(folder: Path) -> None:
    """Until one fails, or enough have passed."""
    for seed in range(ENOUGH):
        (folder / str(seed)).mkdir()
        await Trial(seed, folder / str(seed)).run()
