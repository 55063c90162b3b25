"""Regular expressions of a client's, on a model's text: only those are tried that can't take long.

Law: what a pattern may cost is worked out before it is tried. Python's ``re`` goes back over what it took: each place
that may take more or less multiplies the steps by the text's length, each choice doubles them, and one inside another
(``(a+)+``) has no bound at all, so it is never tried. A fixed count (``a{9}``) is as long as if it were written out.
"""

import re
from functools import lru_cache

import msgspec

MOST_PATTERN = 500
MOST_COST = 1_000_000
_TOKEN = re.compile(
    r"""(?P<odd>\\[0-9kgpPuxAZzGbB] | \(\?(?!:) | \)[*+?{])   # other languages', look-around, repeated groups
      | \\. | \[\^?\]?(?:\\.|[^\]\\])*\]
      | (?P<gives>[*+] | \{\d*,\d*\})
      | \{(?P<times>\d+)\}
      | (?P<doubles>[?|])
      | .""",
    re.VERBOSE | re.DOTALL,
)


class Pattern(msgspec.Struct, frozen=True):
    """``gives``: how many places may take more or less; ``doubles``: how many times it can choose."""

    compiled: re.Pattern[str]
    gives: int
    doubles: int

    def cost(self, text: str) -> int:
        """An upper bound of the steps that a search in ``text`` takes."""
        return int((len(text) + 1) ** self.gives) << self.doubles

    def find_in(self, text: str) -> bool:
        return self.compiled.search(text) is not None


@lru_cache(maxsize=256)
def read_pattern(text: str) -> Pattern | None:
    """``text`` as a pattern; None where it is none, or nobody can say what it may cost."""
    if len(text) > MOST_PATTERN:
        return None
    gives, doubles, length = (0 if text.startswith("^") and "|" not in text else 1), 0, len(text)
    for token in _TOKEN.finditer(text):
        if token["odd"]:
            return None
        gives += bool(token["gives"])
        doubles += bool(token["doubles"])
        length += int(token["times"] or 0)
    if gives and length > MOST_PATTERN:
        return None
    try:
        return Pattern(re.compile(text), gives, doubles) if gives <= 8 and doubles <= 20 else None
    except (re.error, OverflowError, RecursionError):
        return None
