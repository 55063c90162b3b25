"""What must hold of a card whatever comes: random traffic (``tests/fakes/card_traffic.py``).

``make test`` draws two of ten seeds; ``LODESTAR_DOSE=1`` all, and N times as many for ``LODESTAR_DOSE=N``.
"""

import os
import random
from typing import Any

import msgspec
import pytest
import trio
import trio._core._run as trio_run
from trio.testing import MockClock

from lodestard.domain.settings import LocalModel, Settings
from tests.fakes.card_house import LARGE, LLAMA, MACHINE, make_settings, make_upstream, open_card_house
from tests.fakes.card_traffic import Weather, blow

SEEDS = 10
PARALLEL = msgspec.structs.replace(LARGE, server=msgspec.structs.replace(LARGE.server, parallel=2))

pytestmark = [pytest.mark.usefixtures("steady_order"), pytest.mark.repeats]


def seeds() -> range:
    return range(max(1, round(SEEDS * float(os.environ.get("LODESTAR_DOSE", "0.2")))))


def usual(**upstream: Any) -> Settings:
    """Waits are short, so that some become too long; guesses are made."""
    models = {LLAMA: LocalModel(default=True)}
    return make_settings(
        {"t600": make_upstream(models=models, **upstream)},
        predict=True,
        quiet_s=30.0,
        patience_s=15.0,
        background_patience_s=60.0,
        max_wait_s=30.0,
        background_max_wait_s=90.0,
    )


@pytest.mark.parametrize("seed", seeds())
async def test_alone(autojump_clock: object, seed: int) -> None:
    """With every other seed models expire between two looks."""
    settings = usual(keep_alive=("5s", "30m")[seed % 2])
    async with open_card_house(settings, MACHINE, aborted=None) as house:
        witness = await blow(house, Weather(seed, 60))
        assert witness.looks > 100
        assert house.state().counts.swaps > 5


@pytest.mark.parametrize("seed", seeds())
async def test_in_company(autojump_clock: object, seed: int) -> None:
    async with open_card_house(usual(), MACHINE, aborted=None) as house:
        witness = await blow(house, Weather(seed, 60, company=True))
        assert len(set(witness.company)) >= 3


@pytest.mark.parametrize("company", [False, True])
@pytest.mark.parametrize("seed", seeds())
async def test_two_at_once_on_two_models(autojump_clock: object, seed: int, company: bool) -> None:
    settings = usual(resident_models=2, concurrency=2)
    async with open_card_house(settings, PARALLEL, aborted=None) as house:
        await blow(house, Weather(100 + seed, 40, company))


def test_a_seed_gives_the_same_course(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what one run finds can be looked at again."""
    courses = []
    for _ in range(2):
        monkeypatch.setattr(trio_run, "_r", random.Random(3))
        courses.append(trio.run(course, clock=MockClock(autojump_threshold=0)))
    assert courses[0] == courses[1]


async def course() -> list[tuple[str, float, float | None, float | None, str]]:
    async with open_card_house(usual(), MACHINE, aborted=None) as house:
        await blow(house, Weather(3, 60))
        return [(told.model, told.asked_s, told.begun_s, told.ended_s, told.code) for told in house.told]
