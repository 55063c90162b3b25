"""Defects that hours of traffic would bring to light, planted one by one; the checks must see each."""

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from trio.testing import MockClock

from lodestard import pipeline
from lodestard.flights import Flights
from tests.faults.days import MOST_EACH_BYTES, Days, live
from tests.faults.planted.finding import found

SEED = 7


async def test_a_little_of_each_answer_that_is_kept(
    ram_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    ended, kept = Flights._ended, []

    def keep(self: Flights, flight: Any) -> None:
        kept.append(bytearray(16_384))
        ended(self, flight)

    monkeypatch.setattr(Flights, "_ended", keep)
    days = Days(SEED, 6)
    tracemalloc.start()
    try:
        await live(ram_path, days)
    finally:
        tracemalloc.stop()
    assert days.each_bytes > 2 * MOST_EACH_BYTES, days.memory


async def test_an_hour_whose_bills_are_not_in_the_books(
    ram_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(pipeline, "may_be_billed", lambda _error, _record: False)
    with found("billed"):
        await live(ram_path, Days(SEED, 6))


async def test_bytes_that_stay_held(
    ram_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr("lodestard.http.body.RequestBody.release", lambda _self: None)
    with found("bytes are held"):
        await live(ram_path, Days(SEED, 1))
