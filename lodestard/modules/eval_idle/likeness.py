"""How alike two texts are, by their words. Pure, and linear in their length.

Law: weak by nature: two good answers share many words, and so may a good and a bad one. It only ever counts for a
part.
"""

import re
from collections import Counter
from collections.abc import Hashable, Mapping

_WORD = re.compile(r"\w+")
_DECORATION = " .,;:!?\"'`*_#()[]{}<>"


def shared(one: Mapping[Hashable, int], other: Mapping[Hashable, int]) -> float:
    """How much of two bags is the same: twice what they share by what is in both; 1 where both are empty."""
    whole = sum(one.values()) + sum(other.values())
    if not whole:
        return 1.0
    common = sum(min(number, other.get(thing, 0)) for thing, number in one.items())
    return 2 * common / whole


def likeness(one: str, other: str) -> float:
    """How many of their words two texts share, in [0, 1], whatever the words' order."""
    return shared(_words(one), _words(other))


def normalised(text: str) -> str:
    """A short answer without what does not matter: case, spaces, punctuation and markdown around it."""
    return " ".join(text.split()).strip(_DECORATION).casefold()


def _words(text: str) -> Counter[Hashable]:
    return Counter(_WORD.findall(text.casefold()))
