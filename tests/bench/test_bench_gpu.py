"""The GPU benchmark's own parts work: it is repeatable to the last digit, and its figures add up."""

import random
from itertools import product

import pytest

from tests.bench.gpu.baseline import Key, differences, read_baseline
from tests.bench.gpu.command import SEEDS, run_one
from tests.bench.gpu.house import MODES
from tests.bench.gpu.machines import MACHINES
from tests.bench.gpu.words import code, prose
from tests.bench.gpu.workloads import NAMES, plan_workload

SHARE = 0.1


@pytest.mark.parametrize("name", NAMES)
def test_traffic_is_a_function_of_its_seed(name: str) -> None:
    assert plan_workload(name, 1) == plan_workload(name, 1)
    assert plan_workload(name, 1) != plan_workload(name, 2)


@pytest.mark.parametrize("name", NAMES)
def test_every_prompt_fits_the_pinned_context(name: str) -> None:
    for ask in plan_workload(name, 3).asks:
        tokens = sum(len(text) // 4 + 4 for _, text in ask.messages)
        assert tokens + len(ask.answer) // 4 < 4096, ask.name


def test_words_have_the_length_that_was_asked_for() -> None:
    luck = random.Random(1)
    assert {len(make(luck, tokens)) / 4 for make in (code, prose) for tokens in (7, 7, 300)} == {7, 300}


@pytest.mark.parametrize("mode", MODES)
def test_the_same_run_gives_the_same_figures(mode: str) -> None:
    key = Key(mode, "mixed", "x1", 5)
    assert not differences(run_one(key, SHARE), run_one(key, SHARE))


def test_the_committed_baseline_is_what_comes_out_today() -> None:
    baseline = read_baseline()
    for key in (Key("fifo", "back-to-back", "x1", 1), Key("agreed", "gaps", "x1.5", 2)):
        assert not differences(run_one(key, 1.0), baseline[key])


def test_the_committed_baseline_is_whole() -> None:
    baseline = read_baseline()
    assert {Key("fifo", *key) for key in product(NAMES, ("x1", "x0.5", "x1.5"), SEEDS)} <= baseline.keys()
    assert {Key(*key, SEEDS[0]) for key in product(MODES, NAMES, MACHINES)} <= baseline.keys()
