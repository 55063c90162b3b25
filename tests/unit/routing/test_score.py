"""The sum: each part moves it the way that it should, and it can be checked by hand."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.choice import UNSEEN, Asked, Figures
from lodestard.domain.feedback import Cell
from lodestard.domain.routing_settings import Traits, Worth
from lodestard.domain.settings import Model, ModelPrice, Settings, Upstream
from lodestard.domain.task import KINDS, Task
from lodestard.domain.upstream import Merit
from lodestard.routing.abilities import UNKNOWN, assume_ability
from lodestard.routing.catalog import Offer, build_catalog
from lodestard.routing.quality import PLACE, expect_quality, fit_abilities, logistic
from lodestard.routing.score import ANSWER_TOKENS, WORTH, answer_tokens, pose, weigh

SETTINGS = Settings(
    upstreams={
        "t600": Upstream(dialect="ollama", url="http://127.0.0.1:1", free=True),
        "openai": Upstream(dialect="openai", url="https://api.example/v1"),
    },
    models={"all": Model(route=("t600/llama3.1:8b", "openai/gpt-4o", "openai/said"))},
    prices={
        "openai/gpt-4o": ModelPrice(input=Decimal("2.5"), output=Decimal(10), cache_read=Decimal("1.25")),
        "openai/said": ModelPrice(input=Decimal(1), output=Decimal(1)),
    },
    traits={"openai/said": Traits(quality=0.5, tasks={"maths": 0.25}, tokens_per_s=100)},
)
LOCAL, PAID, SAID = build_catalog(SETTINGS, frozenset({"ollama", "openai"})).aliases["all"]
HARD, EASY = Task(kind="debug", hardness=0.9), Task(kind="chat", hardness=0.1)
ASKED = Asked(alias="all", prompt_tokens=1_000, output_tokens=100)


def merit(offer: Offer, task: Task = EASY, figures: Figures = UNSEEN, asked: Asked = ASKED) -> Merit:
    return weigh(offer, figures, pose(asked, task, WORTH["cheap"]))


def test_the_sum_by_hand() -> None:
    worth = Worth(answer_usd=0.1, second_usd=0.001)
    figures = Figures(first_s=0.5, tokens_per_s=50.0)
    task = Task(kind="plan", hardness=0.5)
    found = weigh(SAID, figures, pose(ASKED, task, worth))
    assert found.quality == 0.5
    assert found.cost_nano_usd == 1_000 * 1_000 + 100 * 1_000
    assert found.wait_s == 0.5 + 100 / 50
    assert found.value_nano_usd == round((0.5 * 0.1 - 2.5 * 0.001) * 1e9) - 1_100_000


def test_what_a_person_said_of_a_model_counts() -> None:
    assert merit(SAID, Task(kind="maths")).quality == pytest.approx(0.25)
    assert merit(SAID, Task(kind="code")).quality == 0.5
    assert merit(SAID).wait_s == pytest.approx(1.0 + 100 / 100)


def test_the_free_model_does_easy_work_and_the_paid_one_hard_work() -> None:
    assert merit(LOCAL, EASY).value_nano_usd > merit(PAID, EASY).value_nano_usd
    hard = pose(ASKED, HARD, WORTH["balanced"])
    assert weigh(PAID, UNSEEN, hard).value_nano_usd > weigh(LOCAL, UNSEEN, hard).value_nano_usd


def test_what_was_read_before_costs_less() -> None:
    assert merit(PAID).cost_nano_usd == 1_000 * 2_500 + 100 * 10_000
    again = merit(PAID, figures=Figures(cached_tokens=5_000))
    assert again.cost_nano_usd == 1_000 * 1_250 + 100 * 10_000


def test_what_a_provider_is_asked_to_remember_costs_more() -> None:
    settings = Settings(
        upstreams={"a": Upstream(dialect="anthropic", url="https://a.example")},
        models={"all": Model(route=("a/claude",))},
        prices={"a/claude": ModelPrice(input=Decimal(3), output=Decimal(15), cache_read=Decimal("0.3"))},
    )
    (claude,) = build_catalog(settings, frozenset({"anthropic"})).aliases["all"]
    short, long = (Asked(alias="all", prompt_tokens=tokens, output_tokens=0) for tokens in (1_000, 2_000))
    assert merit(claude, asked=short).cost_nano_usd == 1_000 * 3_000
    assert merit(claude, asked=long).cost_nano_usd == 2_000 * 3_750
    again = merit(claude, asked=long, figures=Figures(cached_tokens=1_500))
    assert again.cost_nano_usd == 1_500 * 300 + 500 * 3_750


def test_a_predicted_wait_comes_before_a_measured_one() -> None:
    assert merit(LOCAL, figures=Figures(wait_s=40.0, first_s=1.0, tokens_per_s=10.0)).wait_s == 50.0


def test_no_answer_is_longer_than_its_limit() -> None:
    assert answer_tokens(ASKED, HARD) == 100
    assert answer_tokens(Asked(alias="x"), Task(kind="commit", hardness=0.5)) == ANSWER_TOKENS["commit"]
    assert ANSWER_TOKENS.keys() == set(KINDS)


FLAT = (1.0,) * len(KINDS)


def seen(good: float, bad: float, kind: str = "edit", hardness: float = 0.5) -> float:
    """The ability for ``kind`` after so many answers, where a logit of 1 was assumed."""
    return fit_abilities(FLAT, (Cell(kind, hardness, good, bad),))[PLACE[kind]]


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0, 1))
def test_evidence_moves_quality_towards_what_was_seen(good: int, bad: int, hardness: float) -> None:
    moved, expected = seen(good, bad, hardness=hardness), expect_quality(1.0, hardness) * (good + bad)
    assert (moved > 1.0) == (good > expected) or abs(good - expected) < 1e-6
    assert seen(good + 1, bad, hardness=hardness) >= moved - 1e-6
    assert abs(moved - 1.0) < 8


def test_what_was_seen_of_one_kind_says_something_of_the_others() -> None:
    moved = fit_abilities(FLAT, (Cell("edit", 0.5, 0.0, 40.0),))
    assert moved[PLACE["edit"]] < moved[PLACE["chat"]] < 1.0
    assert len(set(moved)) == 2


def test_failing_at_hard_work_is_no_surprise() -> None:
    assert seen(0, 10, hardness=0.9) > seen(0, 10, hardness=0.1)
    assert seen(10, 0, hardness=0.9) > seen(10, 0, hardness=0.1)


def test_one_bad_answer_turns_nothing_over_and_dozens_do() -> None:
    assert logistic(seen(0, 1)) > 0.6
    assert logistic(seen(0, 60)) < 0.3
    assert logistic(seen(60, 0)) > 0.85


def test_what_was_seen_is_in_the_sum() -> None:
    figures = Figures(cells=(Cell("chat", 0.1, 0.0, 30.0), Cell("edit", 0.5, 3.0, 0.0)))
    assert merit(LOCAL, figures=figures).quality < merit(LOCAL).quality
    assert merit(LOCAL, figures=figures).seen == 30.0


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("claude-opus-4-5-20251101", "claude-3-5-haiku-20241022"),
        ("gpt-4o", "gpt-4o-mini"),
        ("llama3.1:70b", "llama3.1:8b"),
        ("qwen2.5-coder:14b", "qwen2.5-coder:1.5b"),
        ("gpt-5.2", "gpt-5-nano"),
    ],
)
def test_what_is_assumed_of_families(better: str, worse: str) -> None:
    assert assume_ability(better).at("edit") > assume_ability(worse).at("edit")


def test_who_is_good_at_what() -> None:
    coder, talker = assume_ability("deepseek-coder:6.7b"), assume_ability("llama3.1:8b")
    assert coder.at("code") > talker.at("code")
    assert coder.at("chat") < talker.at("chat")
    assert assume_ability("my-own-thing") is UNKNOWN
    assert assume_ability("nomic-embed-text").at("chat") < -5
