"""What was learned: verdicts by task and model, and which requests have been replayed. Figures and labels only.

Law: no request is judged twice with the same model, also after a restart; what is kept is bounded. The last hundred
verdicts of a task and model speak, so that a model that has changed is seen as it is now. Sync; one owner.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from statistics import median

import msgspec

from lodestard.domain.evidence import Evidence
from lodestard.domain.upstream import Target
from lodestard.modules.eval_idle.judge import GOOD, WEAK, WEIGHTS

RECENT = 100
MOST_PAIRS = 64
MOST_DONE = 4_000
Z_FOUR_IN_FIVE = 1.2816
Key = tuple[str, Target]


class Result(msgspec.Struct, frozen=True, array_like=True):
    """One verdict. ``paid`` is the model that it was measured by; ``tokens_per_s`` 0 where nobody knows."""

    at_ms: int
    kind: str
    score: float
    paid: str
    seconds: float = 0.0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    tokens_per_s: float = 0.0


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A task and a model. ``total`` verdicts in all, the last ``results`` of them kept.

    ``unfit`` requests are such that the model can't take them, ``failed`` ones it did not answer.
    """

    task: str
    model: str
    results: tuple[Result, ...] = ()
    total: int = 0
    unfit: int = 0
    failed: int = 0


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """The file. ``done`` are request ids by model; those up to ``floor`` count as done too."""

    form: int = 1
    day: str = ""
    today: int = 0
    pairs: tuple[Pair, ...] = ()
    done: Mapping[str, tuple[str, ...]] = {}
    floor: Mapping[str, str] = {}


class Book:
    """All of it, in memory. ``today`` counts the replays of ``day``."""

    def __init__(self, saved: Saved | None = None) -> None:
        saved = saved or Saved()
        self.day, self.today = saved.day, saved.today
        self._pairs = {(pair.task, Target.parse(pair.model)): pair for pair in saved.pairs}
        self._evidence = {key: weigh(pair.results) for key, pair in self._pairs.items()}
        self._done = {name: set(ids) for name, ids in saved.done.items()}
        self._floor = dict(saved.floor)

    @property
    def pairs(self) -> Sequence[Pair]:
        """By task, then model."""
        return [self._pairs[key] for key in sorted(self._pairs)]

    def evidence(self, task: str, target: Target) -> Evidence | None:
        """What the verdicts come to; None where there are none."""
        return self._evidence.get((task, target))

    def judged(self, task: str, target: Target) -> int:
        """How many verdicts there are in all."""
        pair = self._pairs.get((task, target))
        return pair.total if pair is not None else 0

    def judged_in_all(self, target: Target) -> int:
        return sum(pair.total for (_, model), pair in self._pairs.items() if model == target)

    def is_done(self, request_id: str, target: Target) -> bool:
        name = str(target)
        return request_id <= self._floor.get(name, "") or request_id in self._done.get(name, ())

    def turn(self, day: str) -> None:
        """It is ``day``: on another one the count begins anew."""
        if day != self.day:
            self.day, self.today = day, 0

    def add(self, request_id: str, key: Key, result: Result) -> None:
        """A verdict."""
        pair = self._pair(key)
        results = (*pair.results, result)[-RECENT:]
        self._put(request_id, key, msgspec.structs.replace(pair, results=results, total=pair.total + 1))

    def add_unfit(self, request_id: str, key: Key) -> None:
        """The model can't take this request at all."""
        pair = self._pair(key)
        self._put(request_id, key, msgspec.structs.replace(pair, unfit=pair.unfit + 1))

    def add_failed(self, request_id: str, key: Key) -> None:
        """The model gave no answer to this one, however often it was asked."""
        pair = self._pair(key)
        self._put(request_id, key, msgspec.structs.replace(pair, failed=pair.failed + 1))

    def skip(self, request_id: str, target: Target) -> None:
        """There is nothing to replay any more."""
        self._mark(request_id, str(target))

    def snapshot(self) -> Saved:
        """As it is now, for a thread to write: nothing in it changes any more."""
        done = {name: tuple(ids) for name, ids in self._done.items()}
        return Saved(
            day=self.day, today=self.today, pairs=tuple(self._pairs.values()), done=done, floor=dict(self._floor)
        )

    def _pair(self, key: Key) -> Pair:
        return self._pairs.get(key) or Pair(task=key[0], model=str(key[1]))

    def _put(self, request_id: str, key: Key, pair: Pair) -> None:
        """The pair that was changed last goes to the end; beyond the most, the one that was not for longest goes."""
        self._pairs.pop(key, None)
        self._pairs[key] = pair
        self._evidence[key] = weigh(pair.results)
        if len(self._pairs) > MOST_PAIRS:
            oldest = next(iter(self._pairs))
            del self._pairs[oldest], self._evidence[oldest]
        self._mark(request_id, pair.model)
        self.today += 1

    def _mark(self, request_id: str, name: str) -> None:
        """Ids sort by time: where there are too many, the older ones are remembered by the last of them."""
        ids = self._done.setdefault(name, set())
        ids.add(request_id)
        if len(ids) > MOST_DONE:
            older = sorted(ids)[: MOST_DONE // 2]
            self._floor[name] = max(self._floor.get(name, ""), older[-1])
            ids.difference_update(older)


def write_book(saved: Saved) -> bytes:
    """As the file has it."""
    return msgspec.json.encode(saved)


def read_book(data: bytes) -> Book:
    """What was saved. Raises ``ValueError`` where it can't be read, or is of another form."""
    try:
        saved = msgspec.json.decode(data, type=Saved)
    except msgspec.MsgspecError as error:
        raise ValueError(type(error).__name__) from None
    if saved.form != Saved().form:
        raise ValueError(f"form {saved.form}")
    return Book(saved)


def weigh(results: Sequence[Result]) -> Evidence | None:
    """Verdicts → what they come to. A weak one counts for less, in the mean and in how far apart the bounds are.

    Pure. The interval is Wilson's for a share (scores lie in [0, 1], so theirs can only be narrower).
    """
    if not results:
        return None
    weights = [WEIGHTS.get(result.kind, min(WEIGHTS.values())) for result in results]
    weight = sum(weights)
    mean = sum(result.score * part for result, part in zip(results, weights, strict=True)) / weight
    low, high = interval(mean, weight)
    return Evidence(
        quality=mean,
        low=low,
        high=high,
        count=len(results),
        good=sum(result.score >= GOOD for result in results),
        weak_share=sum(result.kind in WEAK for result in results) / len(results),
        seconds=median(result.seconds for result in results),
        at_ms=results[-1].at_ms,
    )


def interval(mean: float, count: float, z: float = Z_FOUR_IN_FIVE) -> tuple[float, float]:
    """Wilson's score interval of a share that was seen ``count`` times. Pure."""
    spread = z * z / count
    middle = (mean + spread / 2) / (1 + spread)
    half = sqrt(spread * (mean * (1 - mean) + spread / 4)) / (1 + spread)
    return max(0.0, min(middle - half, mean)), min(1.0, max(middle + half, mean))


def median_of(values: Iterable[float]) -> float | None:
    """Of the values that are known; None where none is. Pure."""
    known = [value for value in values if value > 0]
    return median(known) if known else None
