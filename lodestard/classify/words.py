"""The hashed features of a request that the linear model reads: words, pairs, beginnings of words, shapes. Pure.

Law: a feature is a number of a bucket, and many words share one, so no text can be read back from it. The same
reading gives the same numbers on every machine. A change of anything here wants the file trained anew (``make
train-classifier``).
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise

from lodestard.classify.reading import Reading
from lodestard.classify.task_rules import Fired

BUCKETS = 8192
_TOKEN = re.compile(r"[^\W\d_]+|\d+")
_MOST_SYSTEM = 45
_HEAD, _TAIL, _MIDDLE = 32, 18, 40
_PREFIX, _LONG, _LONGEST = 5, 10, 32
_SIZES = (12, 40, 100, 250, 600, 1500, 6000)
_WORD_COUNTS = (3, 7, 15, 30, 60, 120)


def hash_features(reading: Reading, fired: Sequence[Fired] = ()) -> list[int]:
    """The buckets of all features, each once, in order."""
    named = name_features(reading, fired)
    return sorted({zlib.crc32(feature.encode("utf-8", "replace")) % BUCKETS for feature in named})


def name_features(reading: Reading, fired: Sequence[Fired]) -> Iterator[str]:
    """The features by name, before they are hashed: those of the reading, and the built-in rules that fit."""
    words = _words(reading.said)
    yield from (f"r {rule.place}" for rule in fired if not rule.source)
    yield from _of_shape(reading, len(words))
    head, tail = words[:_HEAD], words[_HEAD:][-_TAIL:]
    yield from _of_words(head)
    yield from _of_words(tail)
    for word in words[_HEAD : len(words) - len(tail)][:_MIDDLE]:
        yield f"m {word}"
    yield from (f"1 {' '.join(words[:count])}" for count in (1, 2, 3) if len(words) >= count)
    if words:
        yield f"9 {words[-1]}"
    yield from _of_system(_words(reading.system)[:_MOST_SYSTEM])


def _words(text: str) -> list[str]:
    return ["0" if word.isdecimal() else word[:_LONGEST] for word in _TOKEN.findall(text.lower())]


def _of_words(words: list[str]) -> Iterator[str]:
    for word in words:
        yield f"w {word}"
        if len(word) > _PREFIX:
            yield f"p {word[:_PREFIX]}"
        if len(word) >= _LONG:
            yield from (f"c {word[at : at + _PREFIX]}" for at in range(3, len(word) - _PREFIX + 1))
    for one, two in pairwise(words):
        yield f"b {one} {two}"


def _of_system(words: list[str]) -> Iterator[str]:
    for word in words:
        yield f"s {word[: _PREFIX + 1]}"
    for one, two in pairwise(words):
        yield f"t {one} {two}"


def _of_shape(reading: Reading, words: int) -> Iterator[str]:
    yield "bias"
    yield f"size {_step(reading.size, _SIZES)}"
    yield f"words {_step(words, _WORD_COUNTS)}"
    yield f"shown {_step(reading.lines, (1, 2, 5, 15))}"
    yield from (f"shows {name}" for name in reading.shown)
    yield f"tools {_step(reading.tools, (1, 2, 4))}"
    yield f"format {reading.format}"
    if reading.system:
        yield "system"
    if reading.said.rstrip().endswith("?"):
        yield "asks"
    if reading.files:
        yield "names a file"
    if reading.bullets > 1:
        yield "bullets"


def _step(number: int, steps: tuple[int, ...]) -> int:
    return sum(number >= step for step in steps)
