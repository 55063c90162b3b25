"""What requests of one kind of work are like on one host: how long answers are, and how much of a prompt is read.

A *work* is a task of one client at one rank (``Asked.work``): a commit message is short whatever else its model
answers, and a script says the same before each of its questions. Law: the nearest that is known is believed: this
work of this model, then this work of any model, then what is usual for such a task, then whatever the model answers.
Bounded; owner: ``Rates``, in sync code.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lodestard.domain.residency import Figure
from lodestard.residency.priors import KIN_SHARE, WARM_SHARE, usual_answer
from lodestard.residency.samples import WINDOW, Samples

MOST_WORKS = 64
MOST_KEY_CHARS = 300
SCATTER: Mapping[str, float] = {"answer_tokens": 0.9, "kin_share": 0.5, "warm_share": 0.7}
LEAST_SHARE, MOST_SHARE = 0.002, 1.0
LEAST, MOST = 1e-9, 1e9
DIGITS = 4
ANY = ""
"""In a model's place: all models together."""


def _samples(kind: str, values: list[float] | None = None) -> Samples:
    return Samples(SCATTER[kind], values or (), steps=False)


@dataclass(slots=True)
class _Work:
    samples: dict[str, Samples] = field(default_factory=lambda: {kind: _samples(kind) for kind in SCATTER})


class Works:
    """One host's."""

    def __init__(self) -> None:
        self._works: dict[tuple[str, str], _Work] = {}

    def answer_tokens(self, model: str, work: str, of_model: Figure) -> Figure:
        """How long an answer is; ``of_model`` is what is known or assumed of all that the model answers."""
        task = work.partition("/")[0]
        return self._find("answer_tokens", model, work) or usual_answer(task) or of_model

    def kin_share(self, model: str, work: str) -> Figure:
        """What is read of a prompt that comes after another one of its work."""
        return self._find("kin_share", model, work) or KIN_SHARE

    def warm_share(self, model: str, work: str) -> Figure:
        """What is read of a prompt whose conversation is cached."""
        return self._find("warm_share", model, work) or WARM_SHARE

    def _find(self, kind: str, model: str, work: str) -> Figure | None:
        for key in ((model, work), (ANY, work)) if work else ():
            known = self._works.get(key)
            if known is not None and len(known.samples[kind]):
                return known.samples[kind].figure()
        return None

    def learn(self, kind: str, model: str, work: str, value: float) -> None:
        """One more value of ``kind``, a key of ``SCATTER``."""
        if not work or len(model) + len(work) > MOST_KEY_CHARS:
            return
        if kind != "answer_tokens":
            value = min(MOST_SHARE, max(LEAST_SHARE, value))
        for key in ((ANY, work), (model, work)):
            known = self._works.pop(key, None) or _Work()
            self._works[key] = known
            known.samples[kind].add(value)
        while len(self._works) > MOST_WORKS:
            del self._works[next(iter(self._works))]

    # -- keeping -----------------------------------------------------------------------------------------------

    def dump(self) -> list[dict[str, object]]:
        """All of it, for a document. ``take`` reads it."""
        return [{"model": model, "work": work, **_rounded(known)} for (model, work), known in self._works.items()]

    def take(self, listed: object) -> None:
        """Go on from what ``dump`` gave. What is not as it should be counts as not seen."""
        self._works = dict(_read(listed))


def _rounded(known: _Work) -> dict[str, object]:
    return {
        kind: [float(f"{value:.{DIGITS}g}") for value in samples.values]
        for kind, samples in known.samples.items()
        if len(samples)
    }


def _read(listed: object) -> Iterator[tuple[tuple[str, str], _Work]]:
    for entry in listed[-MOST_WORKS:] if isinstance(listed, list) else ():
        if not isinstance(entry, Mapping):
            continue
        model, work = entry.get("model"), entry.get("work")
        if isinstance(model, str) and isinstance(work, str) and work and len(model) + len(work) <= MOST_KEY_CHARS:
            samples = {kind: _samples(kind, read_values(entry.get(kind))) for kind in SCATTER}
            yield (model, work), _Work(samples)


def read_values(listed: object) -> list[float]:
    """The numbers among them that can be right, of a document that anybody may have written."""
    if not isinstance(listed, list | tuple):
        return []
    numbers = [one for one in listed[-WINDOW:] if type(one) in (int, float)]
    return [float(one) for one in numbers if LEAST <= one <= MOST]
