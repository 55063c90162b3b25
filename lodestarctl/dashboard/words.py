"""Figures as this screen says them: short enough to be read at a glance. Pure.

Law: rounded at the fourth decimal, costs up and savings down, so that nothing looks better than it is; exact amounts
are in `lodestarctl costs`. What is not known is a dash, never a zero.
"""

from lodestarctl.render.words import UNKNOWN, about, moment
from lodestard.control.messages import format_usd

_STEP_NANO_USD = 100_000  # four decimals
_DAY_MS = 86_400_000


def money(amount_nano_usd: int | None) -> str:
    """A cost: ``$0.4124``, rounded up."""
    if amount_nano_usd is None:
        return UNKNOWN
    whole, _, decimals = format_usd(abs(amount_nano_usd), places=4).partition(".")
    return f"{'-' if amount_nano_usd < 0 else ''}${int(whole):,}.{decimals}"


def saving(amount_nano_usd: int | None) -> str:
    """A saving, rounded down."""
    return UNKNOWN if amount_nano_usd is None else money(amount_nano_usd // _STEP_NANO_USD * _STEP_NANO_USD)


def tokens(prompt: int | None, completion: int | None) -> str:
    """``2,811+301``; a dash where nobody counted."""
    return UNKNOWN if prompt is None else f"{about(prompt)}+{about(completion)}"


def last_used(last_ms: int | None, now_ms: int) -> str:
    """The time of the last day, a date before it."""
    if last_ms is None:
        return UNKNOWN
    return moment(last_ms, "%H:%M:%S" if now_ms - last_ms < _DAY_MS else "%Y-%m-%d")


def bar(part: int, whole: int, width: int) -> str:
    """``████░░░░``: full only where nothing is left, empty only where there is nothing."""
    if whole <= 0 or part <= 0:
        return "░" * width
    filled = min(width, max(1, part * width // whole))
    return "█" * filled + "░" * (width - filled)


def percent(part: int, whole: int) -> str:
    """Whole per cents, rounded up: 100 % is said only of what is used up, or nearly."""
    return UNKNOWN if whole <= 0 else f"{-(-part * 100 // whole)} %"


SPARKS = "▁▂▃▄▅▆▇█"


def spark(values: list[int]) -> str:
    """One character a value: a blank for nothing, the tallest for the most."""
    most = max(values, default=0)
    if most <= 0:
        return " " * len(values)
    return "".join(SPARKS[-(-value * len(SPARKS) // most) - 1] if value > 0 else " " for value in values)
