"""How hard a request is, from its shape and its words. Pure.

Law: a sum that a person can follow: each part has its weight below, and the parts that count are named. 0 is what any
model does, 1 what few can; about 0.35 is where a small local model begins to fail.
"""

import math
import re
from collections.abc import Mapping
from functools import lru_cache

from lodestard.classify.reading import Reading
from lodestard.classify.task_rules import Phrases, Searched, find_phrases, make_phrases, read_table

_START = -1.55
_OF_KIND = {
    "plan": 0.5, "debug": 0.4, "review": 0.3, "code": 0.1, "edit": 0.1, "test": 0.3, "maths": 0.4, "data": 0.2,
    "docs": 0.1, "explain": 0.0, "shell": -0.1, "extract": -0.2, "summary": -0.2, "commit": -0.4, "translate": -0.3,
    "chat": -0.5, "autocomplete": -0.8, "embedding": -4.0,
}  # fmt: skip
_OF_EFFORT = {"none": -0.8, "minimal": -0.8, "low": -0.4, "medium": 0.0, "high": 1.3, "xhigh": 1.8}
_DEMANDS = frozenset((
    "must", "should", "need", "needs", "without", "unless", "only", "also", "including", "each", "every", "both",
    "all", "and", "but", "keep", "muss", "müssen", "soll", "ohne", "sowie", "doit", "sans", "avec", "chaque",
    "debe", "sin", "cada",
))  # fmt: skip
_MOST_WORDS = 80
"""More of them is a text that was pasted: its length counts less than what is asked."""

_LISTED = frozenset(",;:\uff0c\uff1b\uff1a\u3001")
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")
"""Letters of Thai, Japanese and Chinese, which have no spaces between words: about two a word."""

_WEIGHTS = {
    "many words": 0.42, "hard words": 0.75, "easy words": -0.55, "several demands": 0.11, "several files": 0.25,
    "much that was pasted": 0.2, "an error's trace": 0.25, "long": 0.25, "a list of steps": 0.25,
}  # fmt: skip
_MOST = {"hard words": 4, "easy words": 2, "several demands": 9, "several files": 4}


@lru_cache(maxsize=1)
def _word_lists() -> Mapping[str, Phrases]:
    tables = read_table()["hardness"]
    assert isinstance(tables, dict)
    return {name: make_phrases(words) for name, words in tables.items()}


def rate_hardness(kind: str, reading: Reading, said: Searched) -> tuple[float, tuple[str, ...]]:
    """A number in [0, 1], and the names of what made it harder, the most telling first."""
    parts = {name: _WEIGHTS[name] * min(amount, _MOST.get(name, amount)) for name, amount in _measure(reading, said)}
    if reading.effort in _OF_EFFORT:
        parts["the effort that was asked for"] = _OF_EFFORT[reading.effort]
    total = _START + _OF_KIND.get(kind, 0.0) + sum(parts.values())
    telling = sorted((name for name, part in parts.items() if part >= 0.4), key=lambda name: -parts[name])
    return 1 / (1 + math.exp(-total)), tuple(telling)


def _measure(reading: Reading, said: Searched) -> list[tuple[str, float]]:
    lists = _word_lists()
    words = min(said.row.count(" ") - 1 + len(_UNSPACED.findall(reading.said)) // 2, _MOST_WORDS)
    demands = sum(word in _DEMANDS for word in said.row.split()) + sum(letter in _LISTED for letter in reading.said)
    return [
        ("many words", math.log2(1 + words / 8)),
        ("hard words", find_phrases(lists["harder"], said)),
        ("easy words", find_phrases(lists["easier"], said)),
        ("several demands", demands),
        ("several files", max(0, reading.files - 1)),
        ("much that was pasted", math.log2(1 + reading.lines / 4)),
        ("an error's trace", "trace" in reading.shown),
        ("long", math.log2(1 + reading.size / 2000)),
        ("a list of steps", min(reading.bullets, 8) / 4),
    ]
