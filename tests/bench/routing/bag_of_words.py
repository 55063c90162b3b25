"""The plainest learned predictor of a prompt's kind: naive Bayes over its words. A baseline, and nothing else."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

WORD = re.compile(r"[a-z]+")
MOST_CHARS = 4096


class Bag:
    """Learned from pairs of text and kind."""

    def __init__(self, labelled: Iterable[tuple[str, str]]) -> None:
        words: dict[str, Counter[str]] = {}
        texts = Counter[str]()
        for text, kind in labelled:
            texts[kind] += 1
            words.setdefault(kind, Counter()).update(words_of(text))
        known = {word for counts in words.values() for word in counts}
        total = texts.total()
        self._kept: dict[str, str] = {}
        self._prior = {kind: math.log(count / total) for kind, count in texts.items()}
        self._log = {
            kind: {word: math.log(count + 1) for word, count in counts.items()} for kind, counts in words.items()
        }
        self._log_all = {kind: math.log(counts.total() + len(known) + 1) for kind, counts in words.items()}

    def kind_of(self, text: str) -> str:
        """The likeliest kind."""
        if text not in self._kept:
            self._kept[text] = self._find(text)
        return self._kept[text]

    def _find(self, text: str) -> str:
        words = words_of(text)
        scores = {
            kind: prior + sum(self._log[kind].get(word, 0.0) for word in words) - len(words) * self._log_all[kind]
            for kind, prior in self._prior.items()
        }
        return max(scores, key=lambda kind: (scores[kind], kind))


@lru_cache(maxsize=50_000)
def words_of(text: str) -> tuple[str, ...]:
    """Each word once: in which texts it is counts for more than how often."""
    return tuple(sorted(set(WORD.findall(text[:MOST_CHARS].lower()))))
