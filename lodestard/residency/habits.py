"""What is likely to be asked for next: which model follows which, learned from who asks.

Law: sync and bounded; time is handed in. It knows labels (client, task, model) and times, never text. A guess costs a
load that displaces another model, so it is made only where it is likely enough, held against everything else that
may come before it.
"""

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf

import msgspec

from lodestard.residency.precedents import MOST_MODEL, Footing, Precedents, footing_of

LEAST_SEEN = 3
"""Fewer turns than these after a footing tell nothing of it."""

LEAST_PERCENT = 60
"""What a guess must at least be worth."""

NOTABLE_CHANCE = 0.1
"""What is less likely than this is not waited for."""

FARTHEST_S = 300.0
"""What is expected later than this is not loaded ahead."""

SESSION_S = 1_800.0
"""After so long a silence nothing follows any more, and that nothing did is learned."""

MOST_SESSIONS = 128
RACING_SESSIONS = 32
"""How many are remembered, and how many of them, those that asked last, may say what comes next."""

# Of somebody of whom nothing is known: may be that the same model is asked again, some time.
_UNKNOWN_CHANCE, _UNKNOWN_WAIT_S = 0.5, 30.0
_NO_CHANCE = 0.01


class Guess(msgspec.Struct, frozen=True):
    """The model that is asked for next, and the chance of it. ``why`` is a short line."""

    model: str
    percent: int
    why: str


class Prospect(msgspec.Struct, frozen=True):
    """One way in which a session may go on: ``model`` in ``wait_s`` seconds, with the chance of it."""

    model: str
    chance: float
    wait_s: float
    why: str = ""


@dataclass(slots=True)
class _Sitting:
    """One who asks: what the last request was, since when it is quiet, and how many are being answered."""

    footing: Footing
    quiet_s: float
    running: int = 1


@dataclass(slots=True)
class Habits:
    """What one host has learned of its askers. Owner of it: nothing else changes it."""

    _precedents: Precedents = field(default_factory=Precedents)
    _sittings: OrderedDict[str, _Sitting] = field(default_factory=OrderedDict)

    def note(self, session: str, client: str, task: str, model: str, at_s: float) -> None:
        """A request came. ``session`` names a sitting (``Asked.who``); it is kept in memory alone."""
        self._expire(at_s)
        last = self._sittings.pop(session, None)
        if last is not None:
            self._precedents.followed(last.footing, model[:MOST_MODEL], max(0.0, at_s - last.quiet_s))
        running = 1 if last is None else last.running + 1
        self._sittings[session] = _Sitting(footing_of(client, task, model), at_s, running)
        if len(self._sittings) > MOST_SESSIONS:
            self._sittings.popitem(last=False)

    def ended(self, session: str, at_s: float) -> None:
        """A request of ``session`` was answered, has failed or was given up."""
        sitting = self._sittings.get(session)
        if sitting is not None:
            sitting.running = max(0, sitting.running - 1)
            sitting.quiet_s = max(sitting.quiet_s, at_s)

    def guess(self, now_s: float, resident: frozenset[str]) -> Guess | None:
        """What is worth loading: the likeliest next model, where it is none of ``resident`` and likely enough.

        The sessions race: what a later one may want counts only as far as the earlier ones may not come at all.
        """
        self._expire(now_s)
        chances: dict[str, float] = {}
        first: dict[str, Prospect] = {}
        racing = itertools.islice(reversed(self._sittings.values()), RACING_SESSIONS)
        for prospect, chance in race(self._prospects(sitting, now_s) for sitting in racing):
            chances[prospect.model] = chances.get(prospect.model, 0.0) + chance
            first.setdefault(prospect.model, prospect)
        if not chances:
            return None
        model = max(chances, key=lambda name: chances[name])
        percent = min(100, round(100 * chances[model]))
        if model in resident or percent < LEAST_PERCENT or first[model].wait_s > FARTHEST_S:
            return None
        return Guess(model, percent, first[model].why)

    def unasked_until_s(self, model: str, now_s: float) -> float:
        """Until when nobody who was here lately is likely to ask for ``model``: so long it need not be held for them.

        Of somebody who had it last and of whom nothing is known: ``-inf``, he may ask at any time.
        """
        soonest_s = inf
        for sitting in itertools.islice(reversed(self._sittings.values()), RACING_SESSIONS):
            elapsed_s = 0.0 if sitting.running else max(0.0, now_s - sitting.quiet_s)
            _, outlooks = self._precedents.outlook(sitting.footing, elapsed_s, LEAST_SEEN)
            if not outlooks and sitting.footing.model == model:
                return -inf
            coming = (one.soonest_s for one in outlooks if one.model == model and one.chance >= NOTABLE_CHANCE)
            soonest_s = min(soonest_s, *coming, inf)
        return now_s + soonest_s

    def dump(self) -> bytes:
        """What was learned, as JSON of at most 32 KiB. Sessions are not in it."""
        return self._precedents.dump()

    def take(self, data: bytes) -> None:
        """Know what ``dump`` gave, in place of what was known. What is broken of it is as good as nothing."""
        self._precedents = Precedents.load(data)

    def _prospects(self, sitting: _Sitting, now_s: float) -> tuple[Prospect, ...]:
        """How a session may go on, by what followed its last request before; what still runs has just ended."""
        elapsed_s = 0.0 if sitting.running else max(0.0, now_s - sitting.quiet_s)
        place, outlooks = self._precedents.outlook(sitting.footing, elapsed_s, LEAST_SEEN)
        if not outlooks:
            chance = _UNKNOWN_CHANCE * _UNKNOWN_WAIT_S / (_UNKNOWN_WAIT_S + elapsed_s)
            return (Prospect(sitting.footing.model, chance, _UNKNOWN_WAIT_S),)
        after = f"follows {place.task or place.model} of {place.client or 'somebody'} after about"
        return tuple(Prospect(one.model, one.chance, one.wait_s, f"{after} {one.gap_s:.0f} s") for one in outlooks)

    def _expire(self, now_s: float) -> None:
        """Sessions that went away. The oldest stand first, so that few are gone over."""
        gone = itertools.takewhile(lambda item: now_s - item[1].quiet_s >= SESSION_S, self._sittings.items())
        for session, sitting in list(gone):
            del self._sittings[session]
            self._precedents.stopped(sitting.footing)


def race(sessions: Iterable[tuple[Prospect, ...]]) -> Iterator[tuple[Prospect, float]]:
    """Prospects, the soonest first, each with the chance that it is the next request of all.

    That is its own chance, and that no other session has come before. Those without a chance are left out.
    """
    runners = [(prospect.wait_s, index, prospect) for index, ways in enumerate(sessions) for prospect in ways]
    waiting: dict[int, float] = {}  # the chance that a session has not come yet, where it is not 1
    nobody = 1.0  # that none has
    for _wait_s, index, prospect in sorted(runners, key=lambda runner: runner[:2]):
        own = waiting.get(index, 1.0)
        others = nobody / own
        yield prospect, prospect.chance * others
        waiting[index] = max(_NO_CHANCE, own - prospect.chance)
        nobody = others * waiting[index]
        if nobody < _NO_CHANCE:
            return
