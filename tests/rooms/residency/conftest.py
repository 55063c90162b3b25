"""Houses that more than one file opens."""

import random
from collections.abc import AsyncIterator

import pytest
import trio._core._run as trio_run

from tests.fakes.card_house import MACHINE, CardHouse, make_settings, make_upstream, open_card_house


@pytest.fixture
async def two_hosts(autojump_clock: object) -> AsyncIterator[CardHouse]:
    """Two machines of one kind."""
    settings = make_settings({name: make_upstream(name) for name in ("t600", "gamer")})
    async with open_card_house(settings, machines={"t600": MACHINE, "gamer": MACHINE}) as house:
        yield house


@pytest.fixture
def steady_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trio runs tasks that may go on in an order that is the same each time; otherwise it draws one."""
    monkeypatch.setattr(trio_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    monkeypatch.setattr(trio_run, "_r", random.Random(0))
