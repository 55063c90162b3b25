"""Ten thousand random schedules: nobody starves, nothing is cut, and never more is on the card than fits.

``make test`` draws a fifth of them, ``LODESTAR_DOSE=1`` all.
"""

import os
import random
from collections.abc import Callable

import pytest

from lodestard.residency.view import BACKGROUND, IDLE, INTERACTIVE, Policy
from tests.fakes.schedule import Costs, Job, Log, Schedule

SCHEDULES = 10_000
CHUNKS = 20
POLICY = Policy(
    dwell_requests=(4, 24, 24),
    dwell_s=(10.0, 60.0, float("inf")),
    linger_s=(5.0, 12.0, 12.0),
    patience_s=(30.0, 200.0, float("inf")),
    max_wait_s=(1e6, 1e6, 1e6),
)


def draw(dice: random.Random) -> tuple[list[Job], Costs, Policy]:
    """A schedule: bursts and lulls of all kinds of work for two to four models."""
    models = [f"m{number}" for number in range(dice.randint(2, 4))]
    jobs, now_s = [], 0.0
    pace = dice.choice((0.5, 2.0, 8.0, 30.0))
    for _ in range(dice.randint(5, 40)):
        now_s += dice.expovariate(1 / pace)
        urgency = dice.choices((INTERACTIVE, BACKGROUND, IDLE), (6, 3, 1))[0]
        jobs.append(
            Job(
                now_s,
                dice.choice(models),
                dice.choice((0.1, 1.0, 5.0, 20.0)) * dice.random() + 0.01,
                urgency,
                principal=dice.choice("ab"),
                conversation=dice.choice(("", "c1", "c2", "c3")),
                brief=urgency == INTERACTIVE and dice.random() < 0.2,
                leaves_s=now_s + dice.expovariate(1 / 20) if dice.random() < 0.2 else float("inf"),
            )
        )
    costs = Costs(load_s=dice.uniform(0.1, 10), unload_s=dice.uniform(0, 2), parallel=dice.choice((1, 1, 1, 2)))
    policy = Policy(
        resident_models=dice.choice((1, 1, 2)),
        dwell_requests=POLICY.dwell_requests,
        dwell_s=POLICY.dwell_s,
        linger_s=POLICY.linger_s,
        patience_s=POLICY.patience_s,
        max_wait_s=POLICY.max_wait_s,
    )
    return jobs, costs, policy


def bound_s(number: int, jobs: list[Job], log: Log, costs: Costs, policy: Policy) -> float:
    """The longest that a request may wait: its patience; what was on the card then; and whoever came before it.

    Each of those may need a swap of its own, and so may it. A load that was under way then serves somebody.
    """
    job = jobs[number]
    patient_until_s = job.at_s + policy.patience_s[job.urgency]
    swap_s = costs.load_s + costs.unload_s
    running_s = max(
        (
            log.began_s[other] + jobs[other].service_s - patient_until_s
            for other in log.began_s
            if log.began_s[other] <= patient_until_s
        ),
        default=0.0,
    )
    older_s = sum(
        jobs[other].service_s + swap_s
        for other in range(number)
        if jobs[other].urgency < IDLE
        and log.began_s.get(other, log.left.get(other, patient_until_s)) >= patient_until_s
    )
    loaded_s = max(other.service_s for other in jobs)
    return policy.patience_s[job.urgency] + max(0.0, running_s) + swap_s + loaded_s + older_s + swap_s


def chunk_size() -> int:
    """How many schedules each part of the test draws; ``LODESTAR_DOSE`` multiplies it, a fraction of it divides."""
    return max(1, round(SCHEDULES / CHUNKS * float(os.environ.get("LODESTAR_DOSE", "0.2"))))


@pytest.mark.repeats
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_nobody_waits_past_the_bound_and_nothing_impossible_is_done(chunk: int) -> None:
    for seed in range(chunk * 1_000_000, chunk * 1_000_000 + chunk_size()):
        jobs, costs, policy = draw(random.Random(seed))
        log = Schedule(jobs, policy, costs).run()
        assert log.most_resident <= policy.resident_models
        for number, job in enumerate(jobs):
            if job.urgency == IDLE or number in log.left:
                continue
            waited_s = log.began_s[number] - job.at_s
            limit_s = bound_s(number, jobs, log, costs, policy)
            assert waited_s <= limit_s + 1e-6, (
                f"seed {seed}: request {number} waited {waited_s:.1f} of {limit_s:.1f} s"
            )


def test_the_bound_is_one_that_a_planner_can_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without patience somebody does starve: the check above can fail."""
    monkeypatch.setattr("lodestard.residency.planner.is_overdue", lambda _waiter, _view: False)
    monkeypatch.setattr("lodestard.residency.planner.turn_ends", patient_until(400.0))
    jobs = [Job(0.0, "m0", 1.0), Job(1.5, "m1", 1.0), *(Job(float(at), "m0", 1.0) for at in range(2, 300))]
    log = Schedule(jobs, POLICY).run()
    assert log.began_s[1] - jobs[1].at_s > bound_s(1, jobs, log, Costs(), POLICY)


def patient_until(at_s: float) -> Callable[..., float]:
    """A turn that is never over before."""
    return lambda *_args: at_s
