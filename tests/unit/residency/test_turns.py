"""A swap is for somebody: what has just gone is not fetched back before whoever it went for."""

import random
from itertools import pairwise

import pytest

from lodestard.residency.planner import decide
from lodestard.residency.view import BACKGROUND, IDLE, INTERACTIVE, Policy, Resident, View
from tests.fakes.schedule import Costs, Job, Schedule
from tests.unit.residency.test_schedules import draw

POLICY = Policy(max_wait_s=(1e6, 1e6, 1e6))


def undone(schedule: Schedule) -> int:
    """How many unloads were followed by a load of the same model."""
    log = schedule.run()
    moves = sorted(
        [(at_s, "gone", model) for at_s, model in log.unloads] + [(at_s, "there", model) for at_s, model in log.loads]
    )
    return sum(
        (first, then) == ("gone", "there") and going == coming
        for (_, first, going), (_, then, coming) in pairwise(moves)
    )


def test_requests_that_came_earlier_do_not_fetch_their_model_back_before_its_turn_comes_again() -> None:
    jobs = [*(Job(at / 10, "a", 6.0) for at in range(8)), Job(1.0, "b", 1.0)]
    schedule = Schedule(jobs, POLICY, Costs())
    assert undone(schedule) == 0
    assert [model for _, model in schedule.log.loads] == ["a", "b", "a"]


def test_somebody_more_urgent_fetches_it_back() -> None:
    jobs = [Job(0, "a", 1.0), Job(1, "b", 1.0, BACKGROUND), Job(31.5, "a", 1.0)]
    schedule = Schedule(jobs, POLICY, Costs(load_s=4.0, unload_s=1.0))
    schedule.run()
    assert schedule.log.began_s[2] < schedule.log.began_s[1]


def test_an_unloaded_model_is_an_ordinary_one_once_something_was_loaded() -> None:
    seen = View(now_s=10, policy=POLICY, residents=(Resident(model="b"),))
    assert seen.displaced == ""
    assert decide(seen).load == ""


def test_a_completion_begins_before_work_that_is_less_urgent_takes_the_model_away() -> None:
    """It was asked for while the model was at work that nobody waited for."""
    for urgency in (BACKGROUND, IDLE):
        jobs = [
            Job(0, "a", 1.0),
            Job(1, "a", 100.0, BACKGROUND),
            Job(20, "b", 1.0, urgency),
            Job(90.0, "a", 0.1, INTERACTIVE, brief=True),
        ]
        schedule = Schedule(jobs, POLICY, Costs())
        assert undone(schedule) == 0
        assert schedule.log.began_s[3] < schedule.log.began_s[2]


def test_overdue_requests_that_came_at_once_are_served_one_model_after_the_other() -> None:
    jobs = [Job(0, model, 40.0) for model in ("a", "b", "b", "a", "b")]
    schedule = Schedule(jobs, POLICY, Costs())
    assert undone(schedule) == 0
    assert len(schedule.log.began_s) == len(jobs)


@pytest.mark.repeats
def test_in_random_schedules_hardly_a_swap_is_undone() -> None:
    """Some are: whoever a model went for has left, or somebody more urgent has come since."""
    undone_swaps = swaps = 0
    for seed in range(150):
        jobs, costs, policy = draw(random.Random(seed))
        if policy.resident_models == 1:
            schedule = Schedule(jobs, policy, costs)
            undone_swaps += undone(schedule)
            swaps += len(schedule.log.unloads)
    assert undone_swaps < 0.015 * swaps
