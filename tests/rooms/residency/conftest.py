"""Houses that more than one file opens."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.card_house import MACHINE, CardHouse, make_settings, make_upstream, open_card_house


@pytest.fixture
async def two_hosts(autojump_clock: object) -> AsyncIterator[CardHouse]:
    """Two machines of one kind."""
    settings = make_settings({name: make_upstream(name) for name in ("t600", "gamer")})
    async with open_card_house(settings, machines={"t600": MACHINE, "gamer": MACHINE}) as house:
        yield house
