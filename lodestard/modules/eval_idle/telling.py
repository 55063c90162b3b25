"""What is told of it: a part of ``lodestarctl status``, and the verbs ``eval.idle.status`` and ``eval.idle.report``.

Law: figures and labels alone; the command line turns them into sentences.
"""

from collections import Counter
from typing import Protocol

import msgspec

from lodestard.domain.verbs import Arguments, Verb
from lodestard.modules.eval_idle.book import Book, Pair, median_of, weigh
from lodestard.modules.eval_idle.plan import Moment, Replay
from lodestard.modules.eval_idle.settings import EvalIdleSettings
from lodestard.runtime import Runtime


class Running(msgspec.Struct, frozen=True):
    """The replay under way."""

    request_id: str
    task: str
    model: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """``doing`` says why nothing is replayed; empty while something is. ``judged`` are the verdicts in all."""

    store_text: bool
    doing: str
    replaying: Running | None
    today: int
    per_day: int
    hours: str
    models: tuple[str, ...]
    judged: int
    unfit: int
    failed: int


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a task and a model: see ``Evidence``. ``paid`` is what it was mostly measured by.

    ``total`` verdicts in all; ``count`` of them are kept, and speak. ``kinds`` says how many of which kind those are.
    """

    task: str
    model: str
    paid: str = ""
    count: int = 0
    good: int = 0
    total: int = 0
    quality: float | None = None
    low: float | None = None
    high: float | None = None
    weak_share: float = 0.0
    kinds: dict[str, int] = {}
    seconds: float | None = None
    tokens_per_s: float | None = None
    unfit: int = 0
    failed: int = 0
    at_ms: int | None = None


class Report(msgspec.Struct, frozen=True):
    rows: tuple[Row, ...]


class Told(Protocol):
    """Of whom it is told."""

    @property
    def book(self) -> Book: ...
    @property
    def doing(self) -> str: ...
    @property
    def replaying(self) -> Replay | None: ...
    def moment(self) -> Moment: ...


class Telling:
    """Reads, and changes nothing."""

    def __init__(self, told: Told, runtime: Runtime, settings: EvalIdleSettings) -> None:
        self._told = told
        self._runtime = runtime
        self._settings = settings

    def verbs(self) -> tuple[Verb, ...]:
        return (
            Verb(name="eval.idle.status", summary="what learning is at", needs="read", answer=self._status),
            Verb(name="eval.idle.report", summary="what was learned", needs="read", answer=self._report),
        )

    def part(self) -> dict[str, object]:
        """For one screen about the house."""
        replaying = self._told.replaying
        now = f"replaying with {replaying.target} ({replaying.request.task})" if replaying is not None else ""
        status = self.status()
        return {
            "now": now or status.doing,
            "today": f"{status.today} of {status.per_day}",
            "judged": status.judged,
        }

    def status(self) -> Status:
        told, pairs = self._told, self._told.book.pairs
        moment, replaying = told.moment(), told.replaying
        running = (
            None
            if replaying is None
            else Running(replaying.request.id, replaying.request.task, str(replaying.target))
        )
        return Status(
            store_text=moment.store_text,
            doing=told.doing,
            replaying=running,
            today=moment.today,
            per_day=self._settings.per_day,
            hours=self._settings.hours,
            models=tuple(str(target) for target in moment.models),
            judged=sum(pair.total for pair in pairs),
            unfit=sum(pair.unfit for pair in pairs),
            failed=sum(pair.failed for pair in pairs),
        )

    async def _status(self, _arguments: Arguments) -> Status:
        return self.status()

    async def _report(self, _arguments: Arguments) -> Report:
        return Report(tuple(row_of(pair) for pair in self._told.book.pairs))


def row_of(pair: Pair) -> Row:
    """A task and a model, as told. Pure."""
    evidence = weigh(pair.results)
    if evidence is None:
        return Row(task=pair.task, model=pair.model, unfit=pair.unfit, failed=pair.failed)
    return Row(
        task=pair.task,
        model=pair.model,
        paid=Counter(result.paid for result in pair.results).most_common(1)[0][0],
        count=evidence.count,
        good=evidence.good,
        total=pair.total,
        quality=evidence.quality,
        low=evidence.low,
        high=evidence.high,
        weak_share=evidence.weak_share,
        kinds=dict(Counter(result.kind for result in pair.results)),
        seconds=evidence.seconds,
        tokens_per_s=median_of(result.tokens_per_s for result in pair.results),
        unfit=pair.unfit,
        failed=pair.failed,
        at_ms=evidence.at_ms,
    )
