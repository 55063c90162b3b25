"""What can be told of a command."""

from typing import NamedTuple


class About(NamedTuple):
    """``text`` has its paragraphs apart by empty lines. ``examples`` are whole command lines, each with what it does.

    ``exits`` is a sentence about exit statuses that are not the usual ones.
    """

    text: str = ""
    examples: tuple[tuple[str, str], ...] = ()
    exits: str = ""
