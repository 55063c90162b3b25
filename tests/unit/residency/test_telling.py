"""What is told while one waits: by phase, never negative, and no jump without a cause; and the waits for routing."""

from collections.abc import Iterator
from itertools import pairwise

import msgspec
import pytest
import trio
from trio.testing import MockClock

from lodestard.domain.request import Caller, Conversation, Message, Request, TextPart
from lodestard.domain.residency import Ask, LoadedModel
from lodestard.domain.settings import Residency, Settings, Upstream
from lodestard.domain.upstream import Target
from lodestard.domain.usage import Durations, Usage
from lodestard.residency.card import Card, Standing
from lodestard.residency.landing import add_tenant, finish_load, finish_unload
from lodestard.residency.rates import AnswerFacts
from lodestard.residency.reporting import report, say_wait
from lodestard.residency.state import Visit
from lodestard.residency.steering import lend, pin
from lodestard.residency.terms import read_terms

CODER, LLAMA = "deepseek-coder:6.7b", "llama3.1:8b"
UPSTREAM = Upstream(dialect="ollama", url="http://127.0.0.1:11434", free=True, concurrency=1)
STEP_S = 0.25
PREFILL_S, ANSWER_S, UNLOAD_S, LOAD_S = 3.0, 7.0, 0.8, 4.0


def make_card(*, learned: bool = True) -> Card:
    """With the coder in memory; what its server would do, the test does."""
    settings = Settings(upstreams={"t600": UPSTREAM}, residency=Residency(enabled=True, max_waiting=4))
    card = Card("t600", read_terms(settings)["t600"], Standing(), lambda: 0)
    card.begin_load = lambda _load: None
    card.begin_unload = lambda _model: None
    add_tenant(card, LoadedModel(model=CODER, size_bytes=3_800_000_000))
    for model in (CODER, LLAMA) if learned else ():
        card.standing.rates.learn_load(model, LOAD_S)
        for visit in range(8):
            usage, durations = answer(visit)
            card.standing.rates.learn_answer(model, usage, durations, facts())
    card.standing.rates.learn_unload(UNLOAD_S)
    return card


def facts() -> AnswerFacts:
    return AnswerFacts(work="chat//interactive", tokens_per_byte=0.27)


def answer(number: int = 0) -> tuple[Usage, Durations]:
    """600 tokens read in 3 s, a hundred written in 7 s, give or take."""
    usage = Usage(prompt_tokens=600, completion_tokens=100 + number % 3)
    return usage, Durations(prefill_ns=round(PREFILL_S * 1e9), decode_ns=round(ANSWER_S * 1e9))


def ask(model: str, number: int = 0) -> Ask:
    text = f"question {number} " + "word " * 530
    request = Request(
        dialect="",
        alias="",
        stream=True,
        include_usage=False,
        members={},
        conversation=Conversation(messages=(Message(role="user", parts=(TextPart(text=text),)),)),
        size_bytes=len(text),
    )
    caller = Caller(principal="local", task="chat", priority="interactive")
    return Ask(target=Target("t600", model), request=request, caller=caller)


class Moment(msgspec.Struct, frozen=True):
    """What is told at one moment of whoever waits."""

    at_s: float
    step: str
    left_s: float | None
    note: str
    expected_s: float | None


class Teller:
    """Lets time pass on a card, and writes down what it tells."""

    def __init__(self, card: Card, visit: Visit) -> None:
        self.card, self.visit = card, visit
        self.moments: list[Moment] = []

    async def pass_time(self, seconds: float) -> None:
        until_s = trio.current_time() + seconds
        while (now_s := trio.current_time()) < until_s:
            state = report(self.card)
            note = "" if self.visit.begun_s is not None else say_wait(self.card, self.visit)
            expected = next(place.expected_s for place in state.places if place.request_id == self.visit.request_id)
            self.moments.append(Moment(now_s, state.step, state.step_left_s, note, expected))
            await trio.sleep(min(STEP_S, until_s - now_s))

    def notes(self) -> Iterator[str]:
        """Each once, up to the first comma: what it is about."""
        last = ""
        for moment in self.moments:
            about = moment.note.partition(",")[0]
            if about != last:
                last = about
                yield about


async def one_wait(load_s: float, *, learned: bool = True) -> Teller:
    """One is answered, another one of its model waits, then one for the other model: until its answer ends."""
    card = make_card(learned=learned)
    first, second = card.enqueue(ask(CODER, 1)), card.enqueue(ask(CODER, 2))
    visit = card.enqueue(msgspec.structs.replace(ask(LLAMA, 3), request_id="it"))
    teller = Teller(card, visit)
    for other in (first, second):
        await teller.pass_time(PREFILL_S)
        other.produced_s = trio.current_time()
        await teller.pass_time(ANSWER_S)
        card.learn(other, *answer())
        card.leave(other, None)
    assert card.state.leaving == CODER
    await teller.pass_time(UNLOAD_S)
    finish_unload(card, CODER, UNLOAD_S, fault=None)
    load = card.state.loading
    assert load is not None
    await teller.pass_time(load_s)
    finish_load(card, load, [LoadedModel(model=LLAMA, size_bytes=4_900_000_000)])
    assert visit.begun_s is not None
    await teller.pass_time(PREFILL_S)
    visit.produced_s = trio.current_time()
    await teller.pass_time(ANSWER_S)
    return teller


@pytest.fixture
def autojump_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


async def test_each_phase_is_told_as_what_it_is(autojump_clock: MockClock) -> None:
    teller = await one_wait(LOAD_S)
    assert list(teller.notes()) == [
        f"waiting for {LLAMA} behind 2 requests",
        f"waiting for {LLAMA} behind 1 request",
        f"waiting for {LLAMA}",
        f"loading {LLAMA}",
        "",
    ]
    steps = list(dict.fromkeys(moment.step for moment in teller.moments))
    assert steps == ["serving", "draining", "unloading", "loading"]


@pytest.mark.parametrize("load_s", [LOAD_S, 2.0, 12.0])
@pytest.mark.parametrize("learned", [True, False])
async def test_nothing_told_is_negative_and_it_goes_down(
    autojump_clock: MockClock, load_s: float, learned: bool
) -> None:
    teller = await one_wait(load_s, learned=learned)
    for before, now in pairwise(teller.moments):
        assert now.left_s is None or now.left_s >= 0
        assert now.expected_s is not None
        assert now.expected_s >= 0
        if before.step == now.step and before.note.partition(",")[0] == now.note.partition(",")[0]:
            assert before.expected_s is not None
            assert now.expected_s <= 1.1 * before.expected_s + 1.0, (before, now)
            if before.left_s is not None and now.left_s is not None:
                assert now.left_s <= before.left_s + 0.5, (before, now)


async def test_what_is_told_of_a_known_card_comes_true(autojump_clock: MockClock) -> None:
    teller = await one_wait(LOAD_S)
    begun_s = teller.visit.begun_s or 0.0
    for moment in teller.moments:
        if moment.at_s < begun_s:
            left_s = begun_s + PREFILL_S - moment.at_s
            assert moment.expected_s == pytest.approx(left_s, abs=3.0, rel=0.15), moment


# -- for routing -----------------------------------------------------------------------------------------------------


def likely_s(card: Card, model: str) -> float:
    wait = card.predict_for(model, 600)
    assert wait is not None
    assert wait.low_s <= wait.likely_s <= wait.high_s
    return wait.likely_s


async def test_routing_is_told_what_a_request_would_wait_for(autojump_clock: MockClock) -> None:
    card = make_card()
    assert likely_s(card, CODER) == pytest.approx(PREFILL_S, rel=0.1)
    assert likely_s(card, LLAMA) == pytest.approx(UNLOAD_S + LOAD_S + PREFILL_S, rel=0.1)
    card.enqueue(ask(CODER))
    busy_s = likely_s(card, CODER)
    assert busy_s == pytest.approx(PREFILL_S + ANSWER_S + PREFILL_S, rel=0.15)
    assert likely_s(card, LLAMA) == pytest.approx(busy_s + UNLOAD_S + LOAD_S, rel=0.15)


async def test_routing_is_told_what_is_left_of_a_load(autojump_clock: MockClock) -> None:
    card = make_card()
    card.enqueue(ask(LLAMA))
    await trio.sleep(UNLOAD_S)
    finish_unload(card, CODER, UNLOAD_S, fault=None)
    await trio.sleep(LOAD_S / 2)
    assert likely_s(card, LLAMA) == pytest.approx(LOAD_S / 2 + PREFILL_S + ANSWER_S + PREFILL_S, rel=0.2)


async def test_nobody_is_told_a_wait_where_there_is_none(autojump_clock: MockClock) -> None:
    card = make_card()
    card.state.reachable = False
    assert card.predict_for(CODER, 600) is None
    card.state.reachable = True
    card.state.missing.add(LLAMA)
    assert card.predict_for(LLAMA, 600) is None
    assert card.predict_for(CODER, 600) is not None
    card.state.missing.clear()
    pin(card, CODER, exclusive=True)
    assert card.predict_for(LLAMA, 600) is None
    assert card.predict_for(CODER, 600) is not None
    lend(card, 0)
    assert card.predict_for(CODER, 600) is None


async def test_a_full_queue_has_no_wait(autojump_clock: MockClock) -> None:
    card = make_card()
    for number in range(5):
        assert card.predict_for(CODER, 600) is not None
        card.enqueue(ask(CODER, number))
    assert card.predict_for(CODER, 600) is None


async def test_what_begins_at_once_is_foreseen_too_but_not_told(autojump_clock: MockClock) -> None:
    card = make_card()
    visit = card.enqueue(ask(CODER))
    assert visit.predicted is not None
    assert not visit.waited
    assert visit.predicted.group == "at once"
    assert card.enqueue(ask(CODER, 2)).waited
