"""What followed what: for each footing, which models were asked for next, how often lately and how long after.

Law: bounded, and recent turns count most: each one takes a fifth off what was known, so that a new habit outweighs an
old one after five turns, and a single slip does not. Owner: ``habits.py``.
"""

import statistics
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

KEEP = 0.8
"""What a turn leaves of the weights before it."""

MOST_FOOTINGS = 256
MOST_FOLLOWERS = 8
MOST_GAPS = 9
MOST_BYTES = 32 * 1024
MOST_LABEL, MOST_MODEL = 64, 512

VERSION = 1
_NEVER = 0.1  # a little chance that nothing follows, even where something always did
_FAINTEST = 0.02
_LONGEST_S = 1e6


class Footing(NamedTuple):
    """What a last request was: who sent it, what for, and to which model. An empty task: whatever it was for."""

    client: str
    task: str
    model: str


class Outlook(NamedTuple):
    """A model that may follow: the chance that it does, in how long from now, and how long after the last answer.

    ``soonest_s``: how long from now it took at least, of the times that are remembered; 0 where it is overdue.
    """

    model: str
    chance: float
    wait_s: float
    gap_s: float
    soonest_s: float = 0.0


_Label = Annotated[str, Meta(max_length=MOST_LABEL)]
_Model = Annotated[str, Meta(min_length=1, max_length=MOST_MODEL)]
_Weight = Annotated[float, Meta(ge=0, le=100)]
_Seconds = Annotated[float, Meta(ge=0, le=_LONGEST_S)]


class _SavedFollower(msgspec.Struct, frozen=True):
    model: _Model
    weight: _Weight
    gaps_s: Annotated[list[_Seconds], Meta(min_length=1, max_length=MOST_GAPS)]


class _SavedRecord(msgspec.Struct, frozen=True):
    client: _Label
    task: _Label
    model: _Model
    seen: Annotated[int, Meta(ge=0, le=10**6)]
    stops: _Weight
    followers: Annotated[list[_SavedFollower], Meta(max_length=MOST_FOLLOWERS)]


class _Saved(msgspec.Struct, frozen=True):
    version: int
    footings: list[msgspec.Raw]


@dataclass(slots=True)
class _Follower:
    weight: float = 0.0
    gaps_s: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_GAPS))

    def still(self, elapsed_s: float) -> float:
        """The share of its arrivals that would not have come yet; where all would have, it wanes as time goes on."""
        later = sum(gap_s >= elapsed_s for gap_s in self.gaps_s)
        if later:
            return (later + 0.5) / (len(self.gaps_s) + 1)
        return 0.5 / (len(self.gaps_s) + 1) * (max(self.gaps_s) + 1.0) / (elapsed_s + 1.0)

    def wait_s(self, elapsed_s: float) -> float:
        """How much longer it usually takes. What is overdue may take as long again."""
        later = [gap_s - elapsed_s for gap_s in self.gaps_s if gap_s >= elapsed_s]
        return statistics.median(later) if later else elapsed_s

    def soonest_s(self, elapsed_s: float) -> float:
        """How much longer it took at least; what is overdue may come at any time."""
        return min((gap_s - elapsed_s for gap_s in self.gaps_s if gap_s >= elapsed_s), default=0.0)


@dataclass(slots=True)
class _Record:
    """What followed one footing: models with their weights, and the weight of nothing."""

    followers: dict[str, _Follower] = field(default_factory=dict)
    stops: float = 0.0
    seen: int = 0

    def fade(self) -> None:
        """A turn has passed."""
        self.stops *= KEEP
        for model, follower in list(self.followers.items()):
            follower.weight *= KEEP
            if follower.weight < _FAINTEST:
                del self.followers[model]

    def add(self, model: str, gap_s: float) -> None:
        if model not in self.followers and len(self.followers) >= MOST_FOLLOWERS:
            del self.followers[min(self.followers, key=lambda name: self.followers[name].weight)]
        follower = self.followers.setdefault(model, _Follower())
        follower.weight += 1.0
        follower.gaps_s.append(gap_s)
        self.seen = min(self.seen + 1, 10**6)

    def outlook(self, elapsed_s: float) -> tuple[Outlook, ...]:
        scores = {model: one.weight * one.still(elapsed_s) for model, one in self.followers.items()}
        total = sum(scores.values()) + self.stops + _NEVER
        return tuple(
            Outlook(
                model,
                chance=scores[model] / total,
                wait_s=one.wait_s(elapsed_s),
                gap_s=statistics.median(one.gaps_s),
                soonest_s=one.soonest_s(elapsed_s),
            )
            for model, one in self.followers.items()
        )


class Precedents:
    """The records, the latest used last."""

    __slots__ = ("_records",)

    def __init__(self) -> None:
        self._records: OrderedDict[Footing, _Record] = OrderedDict()

    def followed(self, footing: Footing, model: str, gap_s: float) -> None:
        """``model`` was asked for ``gap_s`` seconds after the answer that left somebody on ``footing``."""
        for place in _places(footing):
            record = self._touch(place)
            record.fade()
            record.add(model, min(gap_s, _LONGEST_S))

    def stopped(self, footing: Footing) -> None:
        """Nothing followed."""
        for place in _places(footing):
            record = self._touch(place)
            record.fade()
            record.stops += 1.0

    def outlook(self, footing: Footing, elapsed_s: float, least_seen: int) -> tuple[Footing, tuple[Outlook, ...]]:
        """What may follow ``elapsed_s`` after the last answer, and the footing that tells it: the exact one where
        enough was seen of it, otherwise the one of any task. Nothing where too little is known of either."""
        for place in _places(footing):
            record = self._records.get(place)
            if record is not None and record.seen >= least_seen:
                return place, record.outlook(elapsed_s)
        return footing, ()

    def dump(self) -> bytes:
        """As JSON of at most ``MOST_BYTES``; what was used last comes first, and what is beyond that is left out."""
        saved: list[msgspec.Raw] = []
        room = MOST_BYTES - len(msgspec.json.encode(_Saved(VERSION, [])))
        for footing, record in reversed(self._records.items()):
            text = msgspec.json.encode(_save(footing, record))
            room -= len(text) + 1
            if room < 0:
                break
            saved.append(msgspec.Raw(text))
        return msgspec.json.encode(_Saved(VERSION, saved))

    @classmethod
    def load(cls, data: bytes) -> "Precedents":
        """What ``dump`` gave; a record that is none is left out, and of another version all of them. Never raises."""
        loaded = cls()
        try:
            saved = msgspec.json.decode(data, type=_Saved)
        except (ValueError, RecursionError):
            return loaded
        texts = saved.footings[:MOST_FOOTINGS] if saved.version == VERSION else []
        for text in reversed(texts):
            try:
                one = msgspec.json.decode(text, type=_SavedRecord)
            except (ValueError, RecursionError):
                continue
            loaded._records[Footing(one.client, one.task, one.model)] = _restore(one)
        return loaded

    def _touch(self, place: Footing) -> _Record:
        record = self._records.setdefault(place, _Record())
        self._records.move_to_end(place)
        if len(self._records) > MOST_FOOTINGS:
            self._records.popitem(last=False)
        return record


def footing_of(client: str, task: str, model: str) -> Footing:
    """Labels, none longer than what can be saved."""
    return Footing(client[:MOST_LABEL], task[:MOST_LABEL], model[:MOST_MODEL])


def _places(footing: Footing) -> tuple[Footing, ...]:
    """The footing, and the one of any task."""
    return (footing, footing._replace(task="")) if footing.task else (footing,)


def _save(footing: Footing, record: _Record) -> _SavedRecord:
    followers = [
        _SavedFollower(model, round(one.weight, 4), [round(gap_s, 2) for gap_s in one.gaps_s])
        for model, one in record.followers.items()
    ]
    return _SavedRecord(*footing, record.seen, round(record.stops, 4), followers)


def _restore(saved: _SavedRecord) -> _Record:
    followers = {one.model: _Follower(one.weight, deque(one.gaps_s, maxlen=MOST_GAPS)) for one in saved.followers}
    return _Record(followers, saved.stops, saved.seen)
