"""Which names fit what was typed, the best first. Pure.

Law: every word of the query is in the name, its letters in their order; upper and lower case alike. A word that
stands there whole is better than one that is scattered, best at the beginning of a part. Equals stay in their order.
"""

import re
from collections.abc import Callable, Sequence

_BOUNDARY = frozenset(" /-_.:@")
SCATTERED = 2.0
INSIDE = 1.0
PER_LETTER = 0.002
Cost = Callable[[str], float | None]


def rank(names: Sequence[str], query: str) -> list[int]:
    """The places of those that fit, the best first. ``names`` are in lower case."""
    words = query.lower().split()
    if not words:
        return list(range(len(names)))
    costs = [cost_of(word) for word in words]
    found: list[tuple[float, int]] = []
    for at, name in enumerate(names):
        total = PER_LETTER * len(name.partition(" ")[0])  # of an alias, without what it goes to
        for cost in costs:
            here = cost(name)
            if here is None:
                break
            total += here
        else:
            found.append((total, at))
    found.sort()
    return [at for _, at in found]


def cost_of(word: str) -> Cost:
    """What a word costs in a name: nothing at the beginning of a part; None where it does not fit."""
    # From one letter to the next one like it, and never back: a name is read once, whatever was typed.
    first, others = word[0], word[1:]
    scattered = re.compile(_upto(first) + f"({re.escape(first)}{''.join(map(_next, others))})", re.DOTALL).match
    inner = f"(?:^|[{re.escape(''.join(sorted(_BOUNDARY)))}]){re.escape(word)}"
    at_start = re.compile(inner).search

    def cost(name: str) -> float | None:
        if word in name:
            return 0.0 if at_start(name) is not None else INSIDE
        match = scattered(name)
        if match is None:
            return None
        return SCATTERED + (match.end() - match.start(1)) / (len(word) * 4)

    return cost


def _upto(letter: str) -> str:
    return f"[^{re.escape(letter)}]*+"


def _next(letter: str) -> str:
    return _upto(letter) + re.escape(letter)
