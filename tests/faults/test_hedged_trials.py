"""Two attempts at once, retries, slow first tokens and deadlines: the meters equal the ledger all the same."""

from collections import Counter
from pathlib import Path

import trio

from lodestard.domain.errors import Code
from lodestard.domain.resilience_settings import Fallback
from lodestard.flights import Flight
from tests.faults.doses import Figure, Tell, dose
from tests.faults.trials import Trial

SHORT, TABLE = 60, 5_000


class HedgedTrial(Trial):
    """Random traffic whose aliases hedge, wait, and give up, each in its own way."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.flights: list[Flight] = []

    def prepare(self, flight: Flight) -> None:
        luck = self.luck
        flight.fallback = Fallback(
            on=("error", "timeout", "rate_limit", "context", "check", "refusal", "slow_first_token"),
            first_token_s=luck.choice((0.05, 0.3, 20.0)),
            retries=luck.choice((0, 1, 3)),
            hedge=luck.choice(("free", "paid", "paid", "")),
            hedge_after_s=luck.choice((0.001, 0.05, 0.1, 0.5)),
        )
        if luck.random() < 0.3:
            flight.due = trio.CancelScope(deadline=trio.current_time() + luck.random())
        self.flights.append(flight)

    def check(self) -> None:
        super().check()
        for flight in self.flights:
            if flight.landing is not None:
                self.check_flight(flight)

    def check_flight(self, flight: Flight) -> None:
        """One answer at the most, no attempt without an end, and at most one was started beside another."""
        outcomes = [record.outcome for record in flight.attempts]
        assert all(outcomes), f"seed {self.seed}: {outcomes}"
        assert outcomes.count("ok") <= 1, f"seed {self.seed}: {outcomes}"
        assert sum(record.hedge for record in flight.attempts) <= 1, f"seed {self.seed}: {outcomes}"
        assert flight.size_bytes == sum(record.size_bytes for record in flight.attempts), f"seed {self.seed}"


async def test_meters_equal_the_ledger_where_two_are_asked_at_once(
    ram_path: Path, autojump_clock: object, seed: int, tell: Tell
) -> None:
    trials, ends, hedged = dose(SHORT, TABLE), Counter[str](), 0
    for number in range(trials):
        folder = ram_path / str(number)
        folder.mkdir()
        trial = HedgedTrial(seed + number, folder)
        await trial.run()
        ends.update(record.outcome for flight in trial.flights for record in flight.attempts)
        hedged += sum(record.hedge for flight in trial.flights for record in flight.attempts)
    assert hedged > trials // 2
    assert all(ends[code] for code in (Code.HEDGE_LOST, Code.SLOW_FIRST_TOKEN, Code.DEADLINE_EXCEEDED, "ok"))
    came_of_it = ", ".join(f"{count} {what}" for what, count in ends.most_common())
    tell(Figure("I5, I6 hedged, retried, in time or not", f"{trials} trials", f"{hedged} hedges; {came_of_it}"))
