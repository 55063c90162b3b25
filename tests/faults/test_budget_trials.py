"""Budgets hold to the nano-dollar, whoever leaves, whatever breaks and whenever the house is killed."""

from collections import Counter
from pathlib import Path

from tests.faults.doses import Figure, Tell, dose
from tests.faults.trials import Trial

SHORT, TABLE = 100, 10_000


async def test_random_traffic_under_budgets(ram_path: Path, autojump_clock: object, seed: int, tell: Tell) -> None:
    trials, outcomes, seen = dose(SHORT, TABLE), Counter[str](), 0
    for number in range(trials):
        folder = ram_path / str(number)
        folder.mkdir()
        trial = Trial(seed + number, folder)
        await trial.run()
        outcomes += trial.outcomes
        seen += sum(trial.provider.seen.values())
    came_of_it = ", ".join(f"{count} {what}" for what, count in outcomes.most_common())
    tell(
        Figure("I4 budgets, random traffic", f"{trials} trials", f"0 nano-USD over; {seen} dispatched; {came_of_it}")
    )
