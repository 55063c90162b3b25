"""F11: a thousand clients that send and take single bytes: closed in time, and nobody else waits for them."""

from pathlib import Path

import msgspec
import pytest

from lodestard.domain.settings import Limits
from tests.fakes.process import simulated
from tests.faults.doses import Figure, Tell, dose, factor
from tests.faults.dribblers import HURRIED, LATE_S, Dribble, fill_up, keep_big
from tests.faults.figures import allow_descriptors
from tests.faults.processes import measured

pytestmark = pytest.mark.daemon
SHORT, TABLE = 200, 1_000
BEYOND = 20
MOST_S = 5.0
"""What a good client's request may take: five times of what nobody would complain of."""


def test_slow_clients(tmp_path: Path, tell: Tell) -> None:
    count, rounds = min(dose(SHORT, TABLE), TABLE), dose(1, 3)
    settings = {} if factor() else HURRIED
    limits = msgspec.convert(settings, Limits)
    allow_descriptors(count + 500)
    longest_s: dict[str, float] = {}
    slowest_s = 0.0
    with simulated() as world, measured(tmp_path, world, {"server": {"limits": settings}}) as daemon:
        keep_big(world, daemon)
        for _ in range(rounds):
            with Dribble(daemon) as dribble:
                dribble.begin(count)
                dribble.go_on(limits.head_timeout_s + LATE_S)
            found_s = dribble.check(limits, LATE_S)
            longest_s = {kind: max(each_s, longest_s.get(kind, 0)) for kind, each_s in found_s.items()}
            slowest_s = max(slowest_s, *dribble.asked)
        turned_away = fill_up(daemon, limits.connections_per_peer, BEYOND)
    closed = ", ".join(f"{kind} {each_s:.1f} s" for kind, each_s in longest_s.items())
    tell(Figure("F11 slow clients", f"{rounds} x {count}", f"closed after {closed}; others {slowest_s * 1e3:.0f} ms"))
    tell(Figure("F11 one address", f"{BEYOND} beyond its cap", f"{turned_away} turned away"))
    assert slowest_s <= MOST_S
    assert turned_away == BEYOND
