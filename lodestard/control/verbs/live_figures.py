"""Figures that are counted on in memory from what the ledger has, so that a live screen never asks it again. Pure.

Law: whatever is counted, it is counted as the ledger's reports count it: what a request used and cost belongs to each
model that was asked, the rest to the one that answered; a request counts where it came, once it has ended. Owner: the
board that feeds it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from lodestard.control.messages.dashboard import TABLES, LiveRow, LiveSpan
from lodestard.control.verbs.desk import CostFigures
from lodestard.domain.news import AttemptEnded, AttemptFigures, RequestEnded
from lodestard.domain.upstream import Target

HIT = ("hit", "shared")
LEVERS = ("local", "cache", "prompt_cache")
LOOKED_UP = ("hit", "shared", "miss")
BY_CACHE = "cache"
COUNTED = (*TABLES, BY_CACHE)
NO_FAILURE = ("ok", "client_left")
LATE_KEPT = 10_000
HOUR_MS = 3_600_000

Names = tuple[str, str]
"""A table and a name in it."""


class Sums(msgspec.Struct, kw_only=True):
    """What is added up under one name, in the ledger's words. What is saved by cheaper models is the rest of it."""

    requests: int = 0
    errors: int = 0
    cache_hits: int = 0
    free_requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_nano_usd: int = 0
    unknown_nano_usd: int = 0
    saved_nano_usd: int = 0
    saved_local_nano_usd: int = 0
    saved_cache_nano_usd: int = 0
    saved_prompt_cache_nano_usd: int = 0
    last_ms: int = 0

    def add(self, other: "Sums") -> None:
        """Count ``other`` in."""
        for name in ADDED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.last_ms = max(self.last_ms, other.last_ms)

    def less(self, other: "Sums") -> "Sums":
        """The difference, which can be added like any other."""
        return Sums(**{name: getattr(self, name) - getattr(other, name) for name in ADDED})

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show: an upstream that was asked in vain, and answered by another."""
        return not (self.requests or self.cost_nano_usd or self.prompt_tokens or self.completion_tokens)

    @property
    def saved_by(self) -> dict[str, int]:
        """What was saved, split by its levers."""
        levers = {name: int(getattr(self, f"saved_{name}_nano_usd")) for name in LEVERS}
        return {**levers, "cheaper": self.saved_nano_usd - sum(levers.values())}


ADDED = tuple(name for name in Sums.__struct_fields__ if name != "last_ms")


def read_sums(row: CostFigures) -> Sums:
    """A line of the ledger's report."""
    return Sums(**{name: getattr(row, name) for name in ADDED})


def live_row(name: str, sums: Sums, *, baseline: bool) -> LiveRow:
    """Sums as they go over the socket."""
    return LiveRow(
        name=name,
        requests=sums.requests,
        failed=sums.errors,
        cache_hits=sums.cache_hits,
        prompt_tokens=sums.prompt_tokens,
        completion_tokens=sums.completion_tokens,
        cost_nano_usd=sums.cost_nano_usd,
        unknown_nano_usd=sums.unknown_nano_usd,
        saved_nano_usd=sums.saved_nano_usd if baseline else None,
        last_ms=sums.last_ms or None,
    )


# -- what a piece of news adds ---------------------------------------------------------------------------------------


class Origin(msgspec.Struct, frozen=True):
    """A request that has ended, as far as its figures go. ``settled`` are its attempts as they stand now.

    ``baseline_nano_usd`` is None where nobody can say.
    """

    received_ms: int
    target: Target | None
    project: str
    session: str
    cache: str
    failed: bool
    settled: tuple[AttemptFigures, ...]
    baseline_nano_usd: int | None = None
    prompt_cache_nano_usd: int = 0

    @property
    def cost_nano_usd(self) -> int:
        return sum(attempt.cost_nano_usd for attempt in self.settled)

    @property
    def answered_free(self) -> bool:
        """Whether a free model has answered it."""
        return any(each.free and each.state == "captured" and each.target == self.target for each in self.settled)

    @property
    def asked_free(self) -> bool:
        """Whether only free models were asked. One that is under way after its request is not in the ledger yet."""
        written = [each for each in self.settled if not (each.free and each.state == "held")]
        return bool(written) and all(each.free for each in written)

    def ended_late(self, settled: AttemptFigures) -> "Origin":
        """The same once one of its attempts that was still held has ended."""
        attempts = list(self.settled)
        for at, attempt in enumerate(attempts):
            if attempt.state == "held" and attempt.target == settled.target:
                attempts[at] = settled
                break
        return msgspec.structs.replace(self, settled=tuple(attempts))


def origin_of(ended: RequestEnded) -> Origin:
    closing, figures = ended.closing, ended.figures
    return Origin(
        received_ms=figures.received_ms,
        target=closing.target,
        project=figures.project,
        session=figures.session,
        cache=closing.cache,
        failed=closing.outcome not in NO_FAILURE,
        settled=ended.settled,
        baseline_nano_usd=figures.baseline_nano_usd,
        prompt_cache_nano_usd=figures.prompt_cache_nano_usd,
    )


def own_sums(origin: Origin) -> Sums:
    """What belongs to the request itself, whoever was asked."""
    hit = origin.cache in HIT
    sums = Sums(
        requests=1,
        errors=origin.failed,
        cache_hits=hit,
        free_requests=origin.asked_free,
        last_ms=origin.received_ms,
    )
    if origin.baseline_nano_usd is not None:
        sums.saved_nano_usd = saved = origin.baseline_nano_usd - origin.cost_nano_usd
        if hit:
            sums.saved_cache_nano_usd = saved
        else:
            sums.saved_prompt_cache_nano_usd = origin.prompt_cache_nano_usd
            sums.saved_local_nano_usd = saved - origin.prompt_cache_nano_usd if origin.answered_free else 0
    return sums


def attempt_sums(attempt: AttemptFigures) -> Sums:
    return Sums(
        prompt_tokens=attempt.prompt_tokens,
        completion_tokens=attempt.completion_tokens,
        cost_nano_usd=attempt.cost_nano_usd,
        unknown_nano_usd=attempt.cost_nano_usd if attempt.state == "unknown" else 0,
    )


def places_of(origin: Origin, own: Sums, attempts: Sequence[AttemptFigures]) -> Iterator[tuple[Names, Sums]]:
    """Where a request's sums go: its own under who answered, its attempts' under who was asked, all of them under
    its project, its session, and what the cache did for it.
    """
    yield ("model", str(origin.target) if origin.target is not None else ""), own
    yield ("provider", origin.target.upstream if origin.target is not None else ""), own
    whole = msgspec.structs.replace(own)
    for attempt in attempts:
        sums = attempt_sums(attempt)
        whole.add(sums)
        yield ("model", str(attempt.target)), sums
        yield ("provider", attempt.target.upstream), sums
    for place in (("project", origin.project), ("session", origin.session), (BY_CACHE, origin.cache)):
        yield place, whole


# -- where it is added up --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Span:
    """The figures of a span of time, by each table's names. ``until_ms`` is when it is over."""

    since_ms: int
    until_ms: int
    tables: dict[str, dict[str, Sums]] = field(default_factory=lambda: {table: {} for table in COUNTED})

    def take(self, place: Names, sums: Sums) -> None:
        """Count ``sums`` in under ``place``."""
        table, name = place
        self.tables[table].setdefault(name, Sums()).add(sums)

    def total(self) -> LiveSpan:
        """All of it. Every table sums to the same; the one by what the cache did is the shortest."""
        total = Sums()
        by_cache = self.tables[BY_CACHE]
        for sums in by_cache.values():
            total.add(sums)
        return LiveSpan(
            since_ms=self.since_ms,
            requests=total.requests,
            failed=total.errors,
            cache_hits=total.cache_hits,
            cache_lookups=sum(by_cache[name].requests for name in LOOKED_UP if name in by_cache),
            free_requests=total.free_requests,
            prompt_tokens=total.prompt_tokens,
            completion_tokens=total.completion_tokens,
            cost_nano_usd=total.cost_nano_usd,
            unknown_nano_usd=total.unknown_nano_usd,
            saved_nano_usd=total.saved_nano_usd,
            saved_by=total.saved_by,
        )

    def rows(self, table: str, names: Iterable[str], *, baseline: bool) -> tuple[LiveRow, ...]:
        """The rows of these names that there is anything to say of."""
        known = self.tables[table]
        found = ((name, known[name]) for name in names if name in known)
        return tuple(live_row(name, sums, baseline=baseline) for name, sums in found if not sums.empty)

    def choose(self, table: str, most: int) -> list[str]:
        """At most ``most`` names: half for what they cost, the rest for how lately they were used."""
        known = self.tables[table]
        dearest = sorted(known, key=lambda name: (-known[name].cost_nano_usd, -known[name].requests, name))
        if len(dearest) <= most:
            return dearest
        latest = sorted(dearest[most // 2 :], key=lambda name: -known[name].last_ms)
        return dearest[: most // 2] + latest[: most - most // 2]


@dataclass(slots=True)
class LiveFigures:
    """Today, this month, and the cost of each hour. Changed by ``hear_request`` and ``hear_attempt`` alone."""

    spans: Mapping[str, Span]
    hours: dict[int, int] = field(default_factory=dict)
    late: dict[str, Origin] = field(default_factory=dict)

    def hear_request(self, ended: RequestEnded, tables: Collection[str] = COUNTED) -> set[Names]:
        """A request has ended: count it in ``tables``. Returns the names whose sums have changed."""
        origin = origin_of(ended)
        if any(attempt.state == "held" for attempt in ended.settled):
            self._remember(ended.request_id, origin)
        return self._take(origin.received_ms, places_of(origin, own_sums(origin), origin.settled), tables)

    def hear_attempt(self, ended: AttemptEnded, tables: Collection[str] = COUNTED) -> set[Names]:
        """An attempt has ended: count it in ``tables`` if its request had ended before. Others come with theirs."""
        before, settled = self.late.get(ended.request_id), ended.settled
        if before is None or settled is None:
            return set()
        self.late[ended.request_id] = origin = before.ended_late(settled)
        correction = own_sums(origin).less(own_sums(before))
        return self._take(origin.received_ms, places_of(origin, correction, [settled]), tables)

    def _remember(self, request_id: str, origin: Origin) -> None:
        """For the attempts of it that end later. The oldest gives way."""
        self.late[request_id] = origin
        if len(self.late) > LATE_KEPT:
            del self.late[next(iter(self.late))]

    def _take(self, received_ms: int, places: Iterable[tuple[Names, Sums]], tables: Collection[str]) -> set[Names]:
        changed: set[Names] = set()
        for place, sums in places:
            table, _ = place
            if table in tables:
                self._take_one(received_ms, place, sums)
                changed.add(place)
        return changed

    def _take_one(self, received_ms: int, place: Names, sums: Sums) -> None:
        for span in self.spans.values():
            if received_ms >= span.since_ms:
                span.take(place, sums)
        if place[0] == BY_CACHE and sums.cost_nano_usd:
            hour_ms = self.hour_of(received_ms)
            self.hours[hour_ms] = self.hours.get(hour_ms, 0) + sums.cost_nano_usd

    def hour_of(self, at_ms: int) -> int:
        """When the hour of ``at_ms`` began; hours are counted from the beginning of today."""
        return at_ms - (at_ms - self.spans["today"].since_ms) % HOUR_MS

    def see(self, place: Names, received_ms: int) -> None:
        """What came at ``received_ms`` is counted under ``place`` already: remember when it was."""
        table, name = place
        for span in self.spans.values():
            if received_ms >= span.since_ms and (sums := span.tables[table].get(name)) is not None:
                sums.last_ms = max(sums.last_ms, received_ms)
