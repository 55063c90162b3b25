"""F1: ``kill -9`` of the real process under paid load, and what the ledger says afterwards.

What must hold: each paid request that the provider has billed has its attempt in the ledger, at no less than the
bill; each answer that a client has got has its request; the next process goes on from there.
"""

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lodestard.store import open_snapshot
from tests.fakes.process import Daemon, World, get, wait_for
from tests.faults.crowd import Crowd

CLIENTS = 4
LONGEST_S, SHORTEST_S = 0.5, 0.1
_ATTEMPTS = "SELECT state, prompt_tokens, cost_nano_usd, held_nano_usd FROM attempt WHERE free = 0"
_IDS = "SELECT id FROM request"


@dataclass
class Load(Crowd):
    """Clients that ask paid questions, each of another length, until they are told to stop."""

    daemon: Daemon
    seed: int
    answered: list[str] = field(default_factory=list)
    refused: int = 0

    def jobs(self) -> list[Callable[[], object]]:
        return [partial(self._ask, number) for number in range(CLIENTS)]

    def _ask(self, number: int) -> None:
        luck = random.Random(self.seed * CLIENTS + number)
        while not self.stopped.is_set():
            text = "word " * luck.randrange(1, 4_000)
            with suppress(Exception):  # it is killed under them
                self._ask_once(text, stream=luck.random() < 0.5)

    def _ask_once(self, text: str, *, stream: bool) -> None:
        if stream:
            answer = self.daemon.stream("paid", text, max_tokens=20).rest()
        else:
            answer = self.daemon.ask("paid", text, max_tokens=20)
        self.refused += answer.status == 400
        if answer.status == 200 and (answer.whole or answer.done):
            self.answered.append(answer.request_id)


def kill_under_load(daemon: Daemon, seed: int) -> list[str]:
    """Kill it at a moment that ``seed`` names; the ids of the answers that came whole."""
    with Load(daemon, seed) as load:
        wait_for(lambda: load.answered, "the first answer")
        time.sleep(random.Random(seed).random() * LONGEST_S)
        daemon.kill()
    return load.answered


def kill_at_any_time(daemon: Daemon, seed: int) -> Load:
    """The same, whether anything was answered by then or not."""
    with Load(daemon, seed) as load:
        time.sleep(random.Random(seed).random() * LONGEST_S + SHORTEST_S)
        daemon.kill()
    return load


def bills(world: World) -> Counter[tuple[int, int]]:
    """What the provider has billed, by prompt tokens and amount, once it is at rest."""
    meter = wait_for(lambda: _meter_at_rest(world), "the provider at rest")
    return Counter((entry["tokens"]["prompt"], entry["nano_usd"]) for entry in meter["entries"])


def _meter_at_rest(world: World) -> dict[str, Any]:
    meter = get(world.openai_port, "/__sim/meter").json
    time.sleep(0.05)
    again = get(world.openai_port, "/__sim/meter").json
    return dict(meter) if meter == again else {}


def check_killed(daemon: Daemon, billed: Counter[tuple[int, int]], answered: list[str]) -> int:
    """The ledger of a process that is gone, against the provider's bills. Gives the attempts found open."""
    with open_snapshot(daemon.state_dir / "ledger.db") as snapshot:
        rows = snapshot.read(_ATTEMPTS)
        ids = {str(row[0]) for row in snapshot.read(_IDS)}
    captured = Counter((int(prompt or 0), int(cost or 0)) for state, prompt, cost, _ in rows if state == "captured")
    charged_at_hold = sorted(
        (int(held or 0) for state, _, _, held in rows if state in ("held", "unknown")), reverse=True
    )
    missing = sorted((cost for _, cost in (billed - captured).elements()), reverse=True)
    assert not captured - billed, f"captured, but not billed so: {captured - billed}"
    assert len(missing) <= len(charged_at_hold), (
        f"{len(missing)} bills without an attempt; {len(charged_at_hold)} open"
    )
    assert all(held >= cost for held, cost in zip(charged_at_hold, missing, strict=False))
    assert not set(answered) - ids, f"answered, but not in the ledger: {set(answered) - ids}"
    return len([row for row in rows if row[0] == "held"])
