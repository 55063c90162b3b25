"""Defects that random traffic for a card would bring to light, planted one by one; the checks must see each."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lodestard.residency import planner
from lodestard.residency.card import Card
from lodestard.residency.place import CardPlace
from lodestard.residency.state import Tenant, Visit
from tests.fakes.card_house import LARGE, open_card_house
from tests.fakes.card_traffic import Weather, blow
from tests.rooms.residency.test_random_traffic import usual

pytestmark = [pytest.mark.usefixtures("steady_order"), pytest.mark.repeats]


async def traffic() -> None:
    async with open_card_house(usual(), LARGE, aborted=None) as house:
        await blow(house, Weather(1, requests=60))


@contextmanager
def found(words: str) -> Iterator[None]:
    """The traffic must not pass, and say this."""
    with pytest.raises(BaseException) as caught:
        yield
    assert caught.group_contains(AssertionError, match=words), caught.value


async def test_nothing_is_found_where_nothing_is_planted(autojump_clock: object) -> None:
    await traffic()


async def test_a_load_that_ends_with_who_asked_for_it(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget = Card.forget

    def forget_and_abort(self: Card, visit: Visit) -> None:
        forget(self, visit)
        if self.state.loading is not None and not self.state.someone_waits_for(self.state.loading.model):
            self.state.loading.scope.cancel()

    monkeypatch.setattr(Card, "forget", forget_and_abort)
    with found("was aborted, which somebody asked for"):
        await traffic()


async def test_a_load_without_the_options(autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "lodestard.protocols.ollama.host.pinned_members", lambda _settings, _model: {"options": {"num_ctx": 2048}}
    )
    with found("reloads"):
        await traffic()


async def test_a_load_beside_the_other_model(autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "has_room", lambda _view: True)
    with found("in memory at once"):
        await traffic()


async def test_a_wait_without_an_end(autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "is_late", lambda _waiter, _view: False)
    with found("waited"):
        await traffic()


async def test_a_place_that_is_not_given_back(autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CardPlace, "_give_up", lambda _self, _visit: None)
    with found("run still|waited"):
        await traffic()


async def test_a_request_that_takes_no_place(autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tenant, "has_place", True)
    with found("at once|than its places"):
        await traffic()
