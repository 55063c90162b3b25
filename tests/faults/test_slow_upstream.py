"""F8: an upstream that sends a byte a second, falls silent, or dribbles its head.

Deadlines are exact to the instant; whatever happens, nothing stays held: an attempt that may be on somebody's bill is
unknown and charged at its hold, the others are released. Bytes that come, however slowly, are waited for where the
client sees them too; a plain answer has to be whole within its time.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest
from trio.testing import MockClock

from tests.faults.doses import Figure, Tell
from tests.faults.still import HEAD_S, IDLE_S, LOAD_S, PLAIN_S, Still, open_still

EXACT_S = 1e-6
EARLY = 5  # bytes of a body after which it falls silent


@dataclass(frozen=True)
class Case:
    """A fault of an answer, and after how many seconds it ends; None: when it is whole."""

    alias: str
    stream: bool
    fault: str
    ends_s: float | None

    def __str__(self) -> str:
        return f"{self.alias}, {'streamed' if self.stream else 'plain'}, {self.fault}"


# Ollama is always asked for a stream; what it may take before its first byte is the time of a load.
CASES = [
    *(Case("llama", stream, "hang", LOAD_S) for stream in (True, False)),
    *(Case("llama", stream, "dribble_head=1", LOAD_S) for stream in (True, False)),
    *(Case("llama", stream, f"stall={EARLY}", IDLE_S) for stream in (True, False)),
    *(Case("llama", stream, f"stall={EARLY};slow=7", 7 + IDLE_S) for stream in (True, False)),
    *(Case("llama", stream, "dribble=1", None) for stream in (True, False)),
    Case("paid", True, "hang", HEAD_S),
    Case("paid", False, "hang", PLAIN_S),
    Case("paid", True, "dribble_head=1", HEAD_S),
    Case("paid", False, "dribble_head=1", PLAIN_S),
    Case("paid", True, f"stall={EARLY}", IDLE_S),
    Case("paid", False, f"stall={EARLY}", IDLE_S),
    Case("paid", True, "dribble=1", None),
    Case("paid", False, "dribble=1", PLAIN_S),
    Case("paid", False, f"dribble=1;stall={EARLY}", EARLY - 1 + IDLE_S),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_deadlines_are_exact(ram_path: Path, autojump_clock: MockClock, tell: Tell, case: Case) -> None:
    async with open_still(ram_path) as still:
        took_s = await meet(still, case)
        again, _ = await still.ask(case.alias, "and now?")
        assert again.succeeded, again
    ended = "whole" if case.ends_s is None else "given up"
    tell(Figure(f"F8 slow upstream: {case}", "1", f"{ended} after {took_s:.0f} s exactly"))


async def meet(still: Still, case: Case) -> float:
    """Have it happen once; how long it took."""
    assert (await still.ask(case.alias, "first"))[0].succeeded, "what is slow is the answer, not a load"
    charged, billed = still.ledger.totals().spent_today_nano_usd, still.bill_nano_usd
    upstream = still.openai if case.alias == "paid" else still.ollama
    upstream.faults_of["question"] = case.fault
    upstream.faults_of["completions"] = case.fault
    seen, took_s = await still.ask(case.alias, "slowly", stream=case.stream)
    upstream.faults_of.clear()
    totals, bill = still.ledger.totals(), still.bill_nano_usd - billed
    charge = totals.spent_today_nano_usd - charged
    assert totals.held_nano_usd == 0, f"{case}: {totals}"
    if case.ends_s is None:
        assert seen.succeeded, f"{case}: {seen}"
        assert took_s > IDLE_S, f"{case}: whole after {took_s} s"
        assert charge == bill, f"{case}: billed {bill}, charged {charge}"
        return took_s
    assert seen.told_of_failure, f"{case}: {seen}"
    assert b"upstream_timeout" in seen.body, f"{case}: {seen}"
    assert took_s == pytest.approx(case.ends_s, abs=EXACT_S), f"{case}: given up after {took_s} s"
    assert (charge > 0) == (case.alias == "paid"), f"{case}: charged {charge}"
    assert charge >= bill, f"{case}: billed {bill}, charged {charge}"
    assert totals.unknown_today_nano_usd == charge, f"{case}: {totals}"
    return took_s
