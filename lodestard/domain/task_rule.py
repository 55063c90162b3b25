"""A rule that tells a kind of work, as a person writes it, and what may be wrong with it.

Law: no rule can take long. What a pattern may cost is worked out before it is tried (``patterns.py``): the more it
leaves open, the less of the text it gets to read, and one that could not even read a line is refused.
"""

import re
import warnings
from typing import Annotated, Literal

from msgspec import Meta

from lodestard.domain.near import did_you_mean
from lodestard.domain.patterns import Pattern, read_pattern
from lodestard.domain.record import Record
from lodestard.domain.task import KINDS

MOST_WORDS = 5
"""Words of one phrase."""

MOST_RULES = 200
MOST_STEPS = 100_000
LEAST_READ = 120
TOKEN = re.compile(r"\w+")


class TaskRule(Record, frozen=True):
    """A table of the configuration. It fits where one of ``words`` is there, or the ``pattern``.

    ``words`` are words or phrases; one that ends with ``*`` is a beginning. ``pattern`` is a regular expression over
    text in lower case. ``weight`` is how much it speaks for ``kind`` (below 0: against it).
    """

    kind: str
    words: tuple[str, ...] = ()
    pattern: str = ""
    where: Literal["system", "user", "any"] = "user"
    weight: Annotated[float, Meta(ge=-20, le=20)] = 4.0


def find_fault(rule: TaskRule) -> tuple[str, str] | None:
    """The member that is wrong and what is wrong with it, in words; None where the rule is sound."""
    if rule.kind not in KINDS:
        near = did_you_mean(rule.kind[:40], KINDS)
        return "kind", f"expected one of {', '.join(KINDS)}{f'; did you mean {near}?' if near else ''}"
    if not rule.words and not rule.pattern:
        return "words", "fits nothing: give words or a pattern"
    if any(not 1 <= len(TOKEN.findall(word)) <= MOST_WORDS for word in rule.words):
        return "words", f"each has one to {MOST_WORDS} words, and may end with *"
    fault = _fault_in_pattern(rule.pattern) if rule.pattern else ""
    return ("pattern", fault) if fault else None


def reach_of(pattern: Pattern) -> int:
    """How many characters a pattern may read so that it takes no more than ``MOST_STEPS``."""
    steps = MOST_STEPS >> pattern.doubles
    return int(steps ** (1 / pattern.gives)) if pattern.gives else steps


def _fault_in_pattern(text: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # "[[": means something else one day
            re.compile(text)
    except (re.error, OverflowError, RecursionError, FutureWarning):
        return "not a regular expression"
    pattern = read_pattern(text)
    if pattern is None:
        return (
            "nobody can say how long this pattern may take: no look-around or repeated groups, few choices and counts"
        )
    if reach_of(pattern) < LEAST_READ:
        return "this pattern may take too long: fewer of * + ? | and {}, or begin it with ^"
    return ""
