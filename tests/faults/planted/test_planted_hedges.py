"""Defects in asking two at once, planted one by one; the trials must see each."""

from pathlib import Path
from typing import Any

import pytest
import trio

from lodestard import pipeline
from lodestard.asking import Lane
from lodestard.domain.attempt import AttemptRecord
from lodestard.flights import Flight
from tests.faults.planted.finding import found
from tests.faults.test_hedged_trials import HedgedTrial

ENOUGH = 80


async def run_trials(folder: Path) -> None:
    for number in range(ENOUGH):
        (folder / str(number)).mkdir()
        await HedgedTrial(1_000 + number, folder / str(number)).run()


async def test_a_loser_whose_hold_is_given_back(
    ram_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_be_billed = pipeline.may_be_billed

    def unless_stopped(error: BaseException | None, record: Any) -> bool:
        return not isinstance(error, trio.Cancelled) and may_be_billed(error, record)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "may_be_billed", unless_stopped)
    with found("billed"):
        await run_trials(ram_path)


async def test_two_that_both_answer(ram_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    async def speak_on(self: Lane, _flight: Flight, _record: AttemptRecord) -> None:
        self.scope.deadline = float("inf")

    monkeypatch.setattr(Lane, "speak", speak_on)
    with found("'ok', 'ok'"):
        await run_trials(ram_path)
