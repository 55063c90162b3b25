"""F8 at a card: loads and unloads that stall or dribble, and ``/api/ps`` that never answers, or only after 8 s.

The card never hangs: whoever waits is answered, or sent on, within a bound that the settings give; and once the
server is well again, so is the card.
"""

from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
import trio
from trio.testing import MockClock

from lodestard.residency.mover import GONE_WITHIN_S
from lodestard.simulator.card.figures import ALL_MODELS, Machine, Pace
from lodestard.upstream.host_calls import BODY_S
from lodestard.upstream.model_host import LOOK_S
from tests.faults.doses import Figure, Tell
from tests.faults.still import LOAD_S, Still, open_still

PACED = Machine(
    models=ALL_MODELS, pace=Pace(load_s=4.0, unload_s=1.0, prefill_tokens_per_s=1000.0, decode_tokens_per_s=100.0)
)
SWAP_S, ANSWER_S = 5.0, 3.0
EXACT_S = 1e-6


@dataclass(frozen=True)
class Case:
    """What goes wrong with a kind of question. ``fails``: whoever waits is sent on; ``within_s``: at the latest."""

    kind: str
    fault: str
    within_s: float
    fails: bool = False

    def __str__(self) -> str:
        return f"{self.kind}: {self.fault}"


LOOKS = 3  # on the way of a swap: after the unload, after the load, and one that may be under way
CASES = [
    Case("load", "hang", SWAP_S + LOAD_S, fails=True),
    Case("load", "dribble_head=1", SWAP_S + LOAD_S, fails=True),
    Case("load", "dribble=1", SWAP_S + BODY_S, fails=True),
    Case("load", "slow=8", 2 * SWAP_S + 8 + ANSWER_S),
    Case("load", "stall=5", SWAP_S + BODY_S, fails=True),
    Case("unload", "hang", SWAP_S + LOOK_S + ANSWER_S),
    Case("unload", "dribble=1", SWAP_S + BODY_S + ANSWER_S),
    Case("unload", "slow=8", SWAP_S + 8 + ANSWER_S),
    Case("ps", "hang", SWAP_S + LOOKS * LOOK_S + ANSWER_S),
    Case("ps", "slow=8", SWAP_S + LOOKS * 8 + ANSWER_S),
    Case("ps", "dribble=1", SWAP_S + LOOKS * (LOOK_S + BODY_S) + ANSWER_S),
    Case("ps", "dribble_head=1", SWAP_S + LOOKS * LOOK_S + ANSWER_S),
    Case("ps", "noise", SWAP_S + ANSWER_S),
    Case("ps", "stall=5", SWAP_S + LOOKS * BODY_S + ANSWER_S),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_swap_is_never_for_ever(ram_path: Path, autojump_clock: MockClock, tell: Tell, case: Case) -> None:
    async with open_still(ram_path, PACED) as still:
        assert (await still.ask("llama"))[0].succeeded
        took_s = await meet(still, case)
        await get_well(still)
    ended = "sent on" if case.fails else "answered"
    tell(Figure(f"F8 slow card: {case}", "1", f"{ended} after {took_s:.1f} s, at most {case.within_s:.0f}"))


async def meet(still: Still, case: Case) -> float:
    """Three wait while it goes wrong; the longest wait."""
    still.ollama.faults_of[case.kind] = case.fault
    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(still.note, f"{case} {number}", "coder")
    waits = [still.took_s[f"{case} {number}"] for number in range(3)]
    still.ollama.faults_of.clear()
    longest_s = max(map(abs, waits))
    assert longest_s <= case.within_s + 2 * ANSWER_S, f"{case}: {waits}, at most {case.within_s} s for the first"
    assert min(map(abs, waits)) <= case.within_s + EXACT_S, f"{case}: {waits}, at most {case.within_s} s"
    assert all((wait < 0) == case.fails for wait in waits), f"{case}: {waits}"
    return min(map(abs, waits))


async def get_well(still: Still) -> None:
    """As before, and as quick."""
    await trio.sleep(120)
    for alias in ("llama", "coder", "llama"):
        seen, took_s = await still.ask(alias)
        assert seen.succeeded, seen
        assert took_s <= SWAP_S + ANSWER_S + 1, f"{alias} after {took_s} s"
    assert still.card.state.reachable


async def test_who_waits_for_a_load_that_stalls_is_answered_by_the_next_candidate(
    ram_path: Path, autojump_clock: MockClock, tell: Tell
) -> None:
    async with open_still(ram_path, PACED) as still:
        still.ollama.faults_of["load"] = "hang"
        seen, took_s = await still.ask("llama-or-paid")
        assert seen.succeeded
        assert seen.headers["x-lodestar-model"] == "openai/gpt-4o-mini"
        assert took_s == pytest.approx(LOAD_S, abs=EXACT_S)
        still.ollama.faults_of.clear()
        await get_well(still)
    tell(Figure("F8 slow card: a load stalls, a paid model is next", "1", f"asked after {took_s:.0f} s exactly"))


async def test_a_server_that_says_nothing_from_the_start(
    ram_path: Path, autojump_clock: MockClock, tell: Tell
) -> None:
    """Its version, its lists and its memory: nobody is told anything, and requests are answered all the same."""
    async with open_still(ram_path, PACED, faults=dict.fromkeys(("version", "ps", "tags"), "hang")) as still:
        waits = [await still.ask(alias) for alias in ("llama", "coder", "llama")]
        assert all(seen.succeeded for seen, _ in waits), waits
        longest_s = max(took_s for _, took_s in waits)
        assert longest_s <= LOOK_S + SWAP_S + LOOKS * LOOK_S + ANSWER_S
        still.ollama.faults_of.clear()
        await get_well(still)
    tell(Figure("F8 slow card: no look is ever answered", "3", f"answered after {longest_s:.1f} s at most"))


async def test_what_is_in_memory_is_served_while_nothing_is_said_of_it(
    ram_path: Path, autojump_clock: MockClock, tell: Tell
) -> None:
    async with open_still(ram_path, PACED) as still:
        assert (await still.ask("llama"))[0].succeeded
        still.ollama.faults_of["ps"] = "hang"
        waits = []
        for _ in range(40):
            seen, took_s = await still.ask("llama")
            assert seen.succeeded
            waits.append(took_s)
            await trio.sleep(2)
        assert max(waits) < ANSWER_S
    tell(Figure("F8 slow card: /api/ps never answers, model there", "40", f"at most {max(waits):.1f} s"))


async def test_a_model_that_does_not_go(ram_path: Path, autojump_clock: MockClock, tell: Tell) -> None:
    """The server says that it unloads it, and lists it for ever: it is not waited for for ever."""
    async with open_still(ram_path, PACED) as still:
        assert (await still.ask("llama"))[0].succeeded
        with patch.object(still.gpu.scheduler, "unload", return_value=False):
            seen, took_s = await still.ask("coder")
        assert seen.succeeded
        assert took_s <= GONE_WITHIN_S + SWAP_S + ANSWER_S
        await get_well(still)
    tell(Figure("F8 slow card: a model that does not go", "1", f"answered after {took_s:.1f} s"))
