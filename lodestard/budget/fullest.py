"""How full the fullest budget is: one figure for a status bar. Pure."""

from collections.abc import Iterable

from lodestard.budget.judge import Standing
from lodestard.budget.rules import UNITS


def fullest_percent(standings: Iterable[Standing]) -> int | None:
    """What was spent of the hard budget that is used most, in whole percent of its limit; None where there is none.

    An override is as good as more limit; a budget that is lifted has none.
    """
    most: int | None = None
    for standing in standings:
        for unit in UNITS if standing.rule.hard else ():
            limit = standing.limit(unit)
            if limit is not None:
                percent = getattr(standing.spent, unit) * 100 // limit if limit > 0 else 100
                most = percent if most is None else max(most, percent)
    return most
