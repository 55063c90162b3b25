"""What became of an answer: the words of feedback, and what each is worth.

Law: figures, names and verdicts only, never a word of a prompt or an answer.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, get_args

import msgspec

from lodestard.domain.request import Caller
from lodestard.domain.task import KINDS
from lodestard.domain.upstream import Target

Verdict = Literal["good", "bad"]
Source = Literal["said", "test", "edit_failed", "check", "resent"]
"""``said`` by whoever asked; a ``test`` that ran; an edit that could not be applied; a failed output check; the same
message sent again."""

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
SOURCES: tuple[Source, ...] = get_args(Source)

WEIGHTS: Mapping[Source, float] = {"said": 1.0, "test": 0.8, "edit_failed": 0.6, "check": 0.5, "resent": 0.25}
"""How much one counts: a person's word is one whole answer that was judged."""

TOLD: frozenset[Source] = frozenset(("said", "test"))
"""Those that say of good answers too that they were good. The others only ever complain."""

WENT_ON = 0.15
"""What an answer counts as good after which its session went on without a complaint: were there only complaints, each
model would sink by being used. Of bad answers about two in five show themselves by a complaint that counts 0.25 or
0.6, of good ones few do; by this figure what shows of a usual model's answers comes to about what it is worth."""

MOST_SHOWN = 12.0
"""For so many judged answers counts at most what merely shows of one model, complaints and their absence together:
nobody knows how often either is right."""

MIDDLING = 0.5
"""How hard something is of which nobody knows."""

HALF_LIFE_MS = 30 * 86_400_000
"""After which time a verdict counts half: models, prompts and projects change."""

# What the labels of ``classify.task`` are in the words of ``KINDS``, where they are not the same.
_KIND_OF: Mapping[str, str] = {"architect": "plan", "editor": "edit", "ask": "explain", "help": "explain"}


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict on the answer of a request. ``kind``: of which work it was, where that is known better.

    ``target`` is whose answer is meant, where it is not the one that the request ended with.
    """

    request_id: str
    verdict: Verdict
    source: Source = "said"
    kind: str = ""
    target: Target | None = None


class Cell(NamedTuple):
    """Answers of one model at one kind of work that were about equally hard: so many good and bad ones."""

    kind: str
    hardness: float
    good: float
    bad: float


def tally_cells(cells: Iterable[Cell]) -> tuple[float, float]:
    """(good, bad) over all of them. Pure."""
    seen = tuple(cells)
    return sum([cell.good for cell in seen]), sum([cell.bad for cell in seen])


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Feedback as it is kept: whose answer, at which kind of work and how hard, what it counts, and when it came."""

    request_id: str
    source: Source
    target: str
    verdict: Verdict
    kind: str
    project: str
    weight: float
    at_ms: int
    hardness: float = MIDDLING


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a request's newest message tells of the answer before it.

    ``mark`` is a number that the same message has again while the house runs, 0 where there is none to know again.
    """

    mark: int = 0
    edit_failed: bool = False


SAYS_NOTHING = Said()


class WentOn(msgspec.Struct, frozen=True, kw_only=True):
    """An answer after which its session went on without a complaint."""

    target: str
    kind: str
    hardness: float
    at_ms: int


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A request that has ended, as feedback sees it. ``whole``: its answer came to its end.

    ``failed`` are those whose answers failed a check; ``fresh``: a model was asked for it. ``task`` and ``hardness``
    are what it was found to be.
    """

    request_id: str
    caller: Caller
    target: Target | None
    whole: bool
    fresh: bool = True
    said: Said = SAYS_NOTHING
    failed: tuple[Target, ...] = ()
    task: str = ""
    hardness: float = MIDDLING


def kind_of(task: str) -> str:
    """A request's label → one of ``KINDS``; ``chat`` where it says nothing."""
    kind = _KIND_OF.get(task, task)
    return kind if kind in KINDS else "chat"
