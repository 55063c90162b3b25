"""Who may be learned from and who is tested: folds by the prompt's hash. Pure.

Law: the same prompt is always in the same fold, whatever stands around it, so that nothing tested was learned from.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from tests.bench.routing.cases import Case

FOLDS, INNER_FOLDS = 5, 3


class Split(NamedTuple):
    """One way to part the cases; ``tested`` are their numbers."""

    seen: tuple[Case, ...]
    tested: tuple[int, ...]


@lru_cache(maxsize=100_000)
def place_of(prompt: str, salt: str, places: int) -> int:
    """In which of so many places a prompt falls."""
    return int.from_bytes(blake2b(f"{salt}\0{prompt}".encode("utf-8", "replace"), digest_size=8).digest()) % places


def split(cases: Sequence[Case], folds: int, salt: str) -> Iterator[Split]:
    """Each fold once as the tested one, with what may be learned from. Folds without a case are left out."""
    places = [place_of(case.prompt, salt, folds) for case in cases]
    for fold in range(folds):
        tested = tuple(number for number, place in enumerate(places) if place == fold)
        seen = tuple(judged(case) for case, place in zip(cases, places, strict=True) if place != fold)
        if tested and seen:
            yield Split(seen, tested)


def judged(case: Case) -> Case:
    """The case as somebody sees it who has to learn from it: with the verdicts in place of the truth."""
    outcomes = {
        name: msgspec.structs.replace(one, score=one.judged, odds=None) for name, one in case.outcomes.items()
    }
    return msgspec.structs.replace(case, outcomes=outcomes)
