"""From where on a card's figures are worth a word. Every number that a diagnosis depends on is here. Pure.

``docs/operations.md`` ("What the card says") tells them; change both together.
"""

import msgspec

from lodestard.modules.gpu.figures import MIB


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """``busy_percent``: from that utilisation on, clocks, power and the link must be up; below, low is saving power.

    ``slowdown_c``: where a card slows down that does not say it itself; ``near_c`` below that is near.
    ``foreign_bytes`` and ``foreign_percent`` of the card, the larger one: memory beside the models that is more than
    their runners and a desktop need. ``spare_percent`` of a card free is room for more layers.
    """

    busy_percent: float = 60
    slowdown_c: float = 93
    near_c: float = 6
    spill_percent: int = 1
    spill_warning_percent: int = 30
    long_context_tokens: int = 4_096
    spare_percent: float = 20
    foreign_bytes: int = 600 * MIB
    foreign_percent: float = 15
    capped_percent: float = 90
    power_clock_percent: float = 50
    stuck_clock_percent: float = 35
    stale_intervals: int = 3
    appear_readings: int = 3
    appear_s: float = 30
    gone_readings: int = 3
    gone_s: float = 60


THRESHOLDS = Thresholds()
