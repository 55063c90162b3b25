"""What a person is told of a command beside its options: how it behaves, examples, its own exit statuses.

Law: plain data, read by ``--help`` and by the manual pages alone; no other start of the ctl imports it.
"""

from collections.abc import Mapping

from lodestarctl.manual import daily, house, models, money
from lodestarctl.manual.about import About as About

ABOUT: Mapping[str, About] = {**daily.ABOUT, **money.ABOUT, **models.ABOUT, **house.ABOUT}
NOTHING = About()


def about(command: str) -> About:
    """What is told of ``command``; nothing where nobody has written it yet."""
    return ABOUT.get(command, NOTHING)
