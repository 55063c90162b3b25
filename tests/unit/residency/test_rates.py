"""What a host's figures come to: learned near the truth, adapted after a change, assumed with care before."""

from math import exp, log
from random import Random
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.residency import Figure, ModelRates
from lodestard.domain.usage import Durations, Usage
from lodestard.residency.priors import UNLOAD_S, assume
from lodestard.residency.rates import MOST_MODELS, AnswerFacts, Rates
from lodestard.residency.samples import STEP_VALUES, WINDOW, Samples, estimate

CODER, LLAMA = "deepseek-coder:6.7b", "llama3.1:8b"
FACTS = AnswerFacts(tokens_per_byte=0.25)
KINDS = ModelRates.__struct_fields__
positive = st.floats(1e-6, 1e6)


class TrueHost:
    """A card whose rates are known, with noise as real ones have it: ``noise`` is of the logarithm."""

    def __init__(self, seed: int, noise: float = 0.1) -> None:
        self.dice = Random(seed)
        self.noise = noise
        self.load_s, self.prefill_s, self.decode_s, self.tokens_per_byte = 4.2, 1 / 190, 1 / 21, 0.31
        self.answer_tokens, self.answer_scatter = 150.0, 0.8

    def about(self, value: float, noise: float | None = None) -> float:
        return value * exp(self.dice.gauss(0, self.noise if noise is None else noise))

    def answer(self, *, warm: bool = False) -> tuple[Usage, Durations, AnswerFacts]:
        """An answer as Ollama tells of it: of a warm prompt all tokens are counted, and few were read."""
        prompt_bytes = self.dice.randint(1_000, 30_000)
        prompt = round(self.about(self.tokens_per_byte) * prompt_bytes)
        answer = max(1, round(self.about(self.answer_tokens, self.answer_scatter)))
        read = prompt // 20 if warm else prompt
        durations = Durations(
            total_ns=1,
            prefill_ns=round(1e9 * read * self.about(self.prefill_s)),
            decode_ns=round(1e9 * answer * self.about(self.decode_s)),
        )
        usage = Usage(prompt_tokens=prompt, completion_tokens=answer)
        return usage, durations, AnswerFacts(tokens_per_byte=prompt / prompt_bytes, warm=warm)

    def teach(self, rates: Rates, model: str = CODER) -> None:
        """One request: sometimes the model had to be loaded for it, sometimes its conversation was cached."""
        loaded = self.dice.random() < 0.3
        if loaded:
            rates.learn_load(model, self.about(self.load_s))
        rates.learn_answer(model, *self.answer(warm=not loaded and self.dice.random() < 0.4))


def off(figure: Figure, truth: float) -> float:
    return abs(log(figure.value / truth))


# -- learned ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_medians_come_near_the_truth_and_intervals_hold_four_in_five(seed: int) -> None:
    host, rates = TrueHost(seed), Rates()
    within: dict[str, list[bool]] = {kind: [] for kind in ("load_s", "prefill_s", "decode_s", "answer_tokens")}
    for number in range(400):
        if number >= 20:
            known = rates.of(CODER)
            for kind in within:
                truth = getattr(host, kind)
                value = host.about(truth, host.answer_scatter if kind == "answer_tokens" else None)
                figure = getattr(known, kind)
                within[kind].append(figure.low <= value <= figure.high)
        host.teach(rates)
    known = rates.of(CODER)
    for kind in ("load_s", "prefill_s", "decode_s", "tokens_per_byte"):
        assert off(getattr(known, kind), getattr(host, kind)) < 0.06, kind
    for kind, hits in within.items():
        assert 0.75 <= sum(hits) / len(hits) <= 0.9, (kind, sum(hits) / len(hits))


@pytest.mark.repeats
@pytest.mark.parametrize("factor", [2.0, 0.5, 1.35])
def test_twenty_requests_after_a_change_it_is_believed(factor: float) -> None:
    errors = []
    for seed in range(10):
        host, rates = TrueHost(seed), Rates()
        for _ in range(200):
            rates.learn_answer(CODER, *host.answer())
        host.prefill_s *= factor
        host.decode_s *= factor
        for _ in range(20):
            rates.learn_answer(CODER, *host.answer())
        known = rates.of(CODER)
        errors += [off(known.decode_s, host.decode_s), off(known.prefill_s, host.prefill_s)]
    assert fmean(errors) < 0.04
    assert max(errors) < 0.12


@pytest.mark.parametrize("absurd", [1e6, 1e-6])
def test_an_absurd_value_moves_nothing_and_several_not_the_median(absurd: float) -> None:
    samples = Samples(0.2)
    for number in range(40):
        samples.add(1.0 + number % 5 / 100)
    samples.add(absurd)
    figure = samples.figure()
    assert 0.99 < figure.low <= figure.value <= figure.high < 1.05
    for _ in range(STEP_VALUES - 2):
        samples.add(absurd)
    assert 0.99 < samples.figure().value < 1.05


def test_a_run_beyond_the_interval_is_a_change_but_answers_may_be_long_for_a_while() -> None:
    steady, answers = Samples(0.1), Samples(0.9, steps=False)
    for samples in (steady, answers):
        for number in range(30):
            samples.add(1.0 + number % 3 / 100)
        for _ in range(STEP_VALUES):
            samples.add(3.0)
    assert len(steady) == STEP_VALUES
    assert steady.figure().value == pytest.approx(3.0)
    assert answers.figure().low < 1.1


@given(st.lists(positive, min_size=1, max_size=WINDOW), st.floats(0.01, 2.0))
def test_an_interval_is_in_order_and_around_what_was_seen(values: list[float], scatter: float) -> None:
    figure = estimate(values, scatter)
    assert 0 < figure.low <= figure.value <= figure.high
    assert figure.low <= max(values) * 1.000001
    assert figure.high >= min(values) * 0.999999
    assert figure.count == len(values)


@given(positive, st.integers(1, 8), st.floats(0.05, 1.0))
def test_few_values_say_little(value: float, count: int, scatter: float) -> None:
    few, more = estimate([value] * count, scatter), estimate([value] * (count + 1), scatter)
    assert few.value == pytest.approx(value)
    assert few.low < value < few.high
    assert few.high / few.low >= more.high / more.low


def test_a_window_forgets_what_is_old() -> None:
    samples = Samples(0.1)
    for number in range(10 * WINDOW):
        samples.add(1.0 + number)
    assert len(samples) <= WINDOW
    assert samples.figure().low > 500


# -- what is not learned ---------------------------------------------------------------------------------------------

WHOLE = Usage(prompt_tokens=1_000, completion_tokens=100)
TOOK = Durations(total_ns=10**10, load_ns=10**9, prefill_ns=5 * 10**9, decode_ns=4 * 10**9)


def counts(rates: Rates) -> dict[str, int]:
    return {kind: getattr(rates.of(CODER), kind).count for kind in KINDS if getattr(rates.of(CODER), kind).count}


@pytest.mark.parametrize(
    ("usage", "durations", "facts", "learned"),
    [
        (WHOLE, TOOK, FACTS, {"prefill_s", "decode_s", "tokens_per_byte", "answer_tokens"}),
        (WHOLE, TOOK, AnswerFacts(tokens_per_byte=0.25, warm=True), {"decode_s", "answer_tokens"}),
        (WHOLE, Durations(), FACTS, {"tokens_per_byte", "answer_tokens"}),
        (WHOLE, Durations(prefill_ns=10**6, decode_ns=10**6), FACTS, {"tokens_per_byte", "answer_tokens"}),
        (Usage(prompt_tokens=20, completion_tokens=3), TOOK, FACTS, {"tokens_per_byte", "answer_tokens"}),
        (Usage(), TOOK, AnswerFacts(), set()),
        (WHOLE, TOOK, AnswerFacts(), {"prefill_s", "decode_s", "answer_tokens"}),
    ],
)
def test_only_what_means_something_is_learned(
    usage: Usage, durations: Durations, facts: AnswerFacts, learned: set[str]
) -> None:
    rates = Rates()
    rates.learn_answer(CODER, usage, durations, facts)
    assert counts(rates) == dict.fromkeys(learned, 1)


def test_an_answers_own_load_time_is_not_a_load() -> None:
    rates = Rates()
    rates.learn_answer(CODER, WHOLE, TOOK, FACTS)
    assert rates.of(CODER).load_s.count == 0
    rates.learn_load(CODER, 4.0)
    rates.learn_load(CODER, 0.001)
    rates.learn_load(CODER, float("nan"))
    assert rates.of(CODER).load_s.value == pytest.approx(4.0)
    assert rates.of(CODER).load_s.count == 1


def test_unloading_is_of_the_host_and_may_take_no_time() -> None:
    rates = Rates()
    assert rates.of(CODER).unload_s == UNLOAD_S
    for seconds in (0.0, 0.6, 0.7, -1.0, float("inf")):
        rates.learn_unload(seconds)
    assert rates.of(CODER).unload_s.count == rates.of(LLAMA).unload_s.count == 3


# -- assumed ---------------------------------------------------------------------------------------------------------


@given(st.integers(0, 10**13))
def test_an_assumption_is_in_order_and_wide(size_bytes: int) -> None:
    for kind in KINDS:
        figure = getattr(assume(size_bytes), kind)
        assert 0 < figure.low < figure.value < figure.high
        assert figure.count == 0
        assert figure.high / figure.low > 1.5


def test_the_assumption_for_a_small_card_is_what_is_known_of_it() -> None:
    rates = Rates()
    rates.note_size(CODER, 3_800_000_000)
    rates.note_size(LLAMA, 4_900_000_000)
    coder, llama = rates.of(CODER), rates.of(LLAMA)
    assert 2 < coder.load_s.value < llama.load_s.value < 10
    assert 150 < 1 / coder.prefill_s.value < 300
    assert 1 / llama.prefill_s.value < 1 / coder.prefill_s.value
    assert 17 < 1 / coder.decode_s.value < 24
    assert 11 < 1 / llama.decode_s.value < 15


def test_what_one_model_took_says_something_of_another() -> None:
    host, rates = TrueHost(1), Rates()
    before = rates.of(LLAMA)
    host.prefill_s, host.decode_s, host.load_s = 1 / 4_000, 1 / 150, 0.9
    for _ in range(20):
        host.teach(rates)
    after = rates.of(LLAMA)
    for kind in ("prefill_s", "decode_s", "load_s"):
        old, new = getattr(before, kind), getattr(after, kind)
        assert new.count == 0
        assert new.value < old.value / 2
        assert new.high / new.low < old.high / old.low
    assert after.tokens_per_byte == before.tokens_per_byte


# -- forgotten and kept ----------------------------------------------------------------------------------------------


def test_another_digest_or_other_options_forget_what_was_learned() -> None:
    rates = Rates()
    rates.note_mark(CODER, "sha256:1 num_ctx=4096")
    rates.learn_load(CODER, 4.0)
    rates.learn_load(LLAMA, 6.0)
    rates.note_mark(CODER, "sha256:1 num_ctx=4096")
    assert rates.of(CODER).load_s.count == 1
    rates.note_mark(CODER, "sha256:1 num_ctx=2048")
    assert rates.of(CODER).load_s.count == 0
    rates.forget(LLAMA)
    assert rates.of(LLAMA).load_s.count == 0


def test_models_not_seen_for_longest_make_room() -> None:
    rates = Rates()
    for number in range(MOST_MODELS + 10):
        rates.learn_load(f"model-{number}", 3.0)
        rates.learn_load("model-0", 3.0)
    assert rates.of("model-1").load_s.count == 0
    assert rates.of("model-0").load_s.count > 0
    assert rates.of(f"model-{MOST_MODELS + 9}").load_s.count == 1


def test_what_is_kept_is_what_was_known() -> None:
    host, rates, again = TrueHost(7), Rates(), Rates()
    for _ in range(100):
        host.teach(rates)
    rates.learn_unload(0.8)
    rates.note_size(CODER, 3_800_000_000)
    rates.note_mark(CODER, "a")
    again.take(rates.dump())
    assert again.dump() == rates.dump()
    for kind in KINDS:
        one, other = getattr(rates.of(CODER), kind), getattr(again.of(CODER), kind)
        assert other.value == pytest.approx(one.value, rel=1e-3)
        assert other.count == one.count
    again.note_mark(CODER, "b")
    assert again.of(CODER).load_s.count == 0


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "4.0", CODER])
garbage = leaves | st.lists(leaves, max_size=4) | st.dictionaries(st.sampled_from(["load_s", CODER]), leaves)
entries = st.dictionaries(
    st.sampled_from(["load_s", "prefill_s", "decode_s", "size_bytes", "mark", "answer_tokens"]), garbage, max_size=4
)
models = garbage | st.dictionaries(st.sampled_from([CODER, LLAMA, "", "x" * 300]), garbage | entries, max_size=3)


@given(st.fixed_dictionaries({}, optional={"version": st.just(1) | garbage, "unload_s": garbage, "models": models}))
def test_garbage_is_as_good_as_nothing(document: dict[str, Any]) -> None:
    rates = Rates()
    rates.learn_load(CODER, 4.0)
    rates.take(document)
    for model in (CODER, *rates.dump()["models"]):  # type: ignore[misc]
        for kind in KINDS:
            figure = getattr(rates.of(model), kind)
            assert 0 < figure.low <= figure.value <= figure.high < float("inf")
    assert rates.of(CODER).load_s.count in (0, *range(1, WINDOW))
