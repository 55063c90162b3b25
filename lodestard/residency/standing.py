"""What a host has taught and been told: what a card goes by that is older than the daemon. Owner: its ``Card``."""

from dataclasses import dataclass, field

from lodestard.residency.habits import Habits
from lodestard.residency.hindsight import Hindsight
from lodestard.residency.memory import Strength
from lodestard.residency.rates import Rates


@dataclass(slots=True, eq=False)
class Standing:
    """What a host has taught, and what a person has told: all of it survives the daemon.

    ``pinned`` maps a model to ``kept`` or ``exclusive``. ``paused_until_ms``: None where the card is not lent, and 0
    where it is lent until told otherwise.
    """

    rates: Rates = field(default_factory=Rates)
    habits: Habits = field(default_factory=Habits)
    hindsight: Hindsight = field(default_factory=Hindsight)
    pinned: dict[str, Strength] = field(default_factory=dict)
    paused_until_ms: int | None = None
