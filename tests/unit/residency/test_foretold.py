"""The waits of a report are those that the card predicts, and cost a few rolls at most."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio
from trio.testing import MockClock

from lodestard.domain.settings import Residency, Settings, Upstream
from lodestard.residency.card import Card
from lodestard.residency.foretold import FRESH_S, KEPT_S, MOST_ROLLED, Foretold
from lodestard.residency.hindsight import Foreseen
from lodestard.residency.landing import forget_tenant
from lodestard.residency.reporting import report
from lodestard.residency.steering import lend, pin
from lodestard.residency.terms import read_terms
from lodestard.residency.waits import Question
from tests.unit.residency.test_telling import CODER, LLAMA, ask, make_card

OTHERS = tuple(f"other-{number}:1b" for number in range(10))
MODELS = (CODER, LLAMA, *OTHERS)


@contextmanager
def counted(card: Card) -> Iterator[list[str]]:
    """Of which models waits are rolled meanwhile."""
    asked: list[str] = []
    predict = card.predict

    def predict_and_count(question: Question) -> Foreseen | None:
        asked.append(question.model)
        return predict(question)

    card.predict = predict_and_count  # type: ignore[method-assign]
    yield asked
    card.predict = predict  # type: ignore[method-assign]


def make_wide_card() -> Card:
    card = make_card()
    upstream = Upstream(dialect="ollama", url="http://127.0.0.1:11434", free=True)
    settings = Settings(upstreams={"t600": upstream}, residency=Residency(enabled=True))
    card.configure(read_terms(settings)["t600"], frozenset(MODELS))
    return card


@pytest.mark.parametrize("how", ["empty", "at rest", "busy"])
async def test_it_is_what_the_card_predicts(autojump_clock: MockClock, how: str) -> None:
    card = make_wide_card()
    if how == "empty":
        forget_tenant(card, CODER)
    if how == "busy":
        for model in (CODER, LLAMA, OTHERS[3]):
            card.enqueue(ask(model))
    told = Foretold().of(card, MODELS)
    assert told == {model: card.predict(Question(model=model)) for model in MODELS}
    if how == "empty":
        assert [wait.why for wait in told.values() if wait] == [f"a load of {model}" for model in MODELS]


async def test_a_card_at_rest_is_rolled_once(autojump_clock: MockClock) -> None:
    card, foretold = make_wide_card(), Foretold()
    with counted(card) as asked:
        first = foretold.of(card, MODELS)
        assert sorted(asked) == sorted({CODER, LLAMA, asked[-1]}), "what nobody knows differs in its name alone"
        await trio.sleep(3_600)
        assert foretold.of(card, MODELS) == first
        assert len(asked) == 3
        card.replan()
        foretold.of(card, MODELS)
        assert len(asked) == 6


async def test_a_busy_card_is_rolled_a_little_at_a_time(autojump_clock: MockClock) -> None:
    card, foretold = make_wide_card(), Foretold()
    for model in MODELS:
        card.enqueue(ask(model))
    foretold.of(card, MODELS)
    told_s = dict.fromkeys(MODELS, 0.0)
    for _ in range(20):
        await trio.sleep(1.0)
        card.replan()
        with counted(card) as asked:
            told = foretold.of(card, MODELS)
        told_s |= dict.fromkeys(asked, trio.current_time())
        assert len(asked) <= MOST_ROLLED
        for model in asked:
            assert told[model] == card.predict(Question(model=model))
        assert min(told_s.values()) >= trio.current_time() - KEPT_S


async def test_nothing_old_is_told_to_who_asks_seldom(autojump_clock: MockClock) -> None:
    card, foretold = make_wide_card(), Foretold()
    for model in MODELS:
        card.enqueue(ask(model))
    foretold.of(card, MODELS)
    await trio.sleep(KEPT_S + 1)
    assert foretold.of(card, MODELS) == {model: card.predict(Question(model=model)) for model in MODELS}


async def test_several_who_ask_at_once_share_the_rolls(autojump_clock: MockClock) -> None:
    card, foretold = make_wide_card(), Foretold()
    card.enqueue(ask(CODER))
    first = report(card, foretold)
    with counted(card) as asked:
        await trio.sleep(FRESH_S / 2)
        assert [model.wait for model in report(card, foretold).models] == [model.wait for model in first.models]
        assert asked == []
        await trio.sleep(FRESH_S / 2)
        report(card, foretold)
        assert asked


@pytest.mark.parametrize("how", ["lent", "pinned"])
async def test_what_would_be_sent_away_has_no_wait_at_once(autojump_clock: MockClock, how: str) -> None:
    card, foretold = make_wide_card(), Foretold()
    for model in MODELS:
        card.enqueue(ask(model))
    assert None not in foretold.of(card, MODELS).values()
    if how == "lent":
        lend(card, 0)
    else:
        pin(card, CODER, exclusive=True)
    told = foretold.of(card, MODELS)
    assert [model for model, wait in told.items() if wait is not None] == ([] if how == "lent" else [CODER])
