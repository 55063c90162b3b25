"""What kind of work a request is, and how hard: its shape, then rules, a linear model and corrections. Pure.

Law: total and bounded. Any request gets a task; at most 4 KB of its texts are read (``reading.py``); nothing of them
is in the answer. A shape that is known wins over every word: a vector, a gap to be filled, one of Aider's calls.
"""

import math
from collections.abc import Sequence

import msgspec

from lodestard.classify.corrections import NONE, Corrections
from lodestard.classify.hardness import rate_hardness
from lodestard.classify.model import SPOKEN, load_model
from lodestard.classify.reading import Reading, read
from lodestard.classify.task import AIDER_TASKS, is_aider, name_task, read_opening
from lodestard.classify.task_rules import Fired, Searched, TaskRules, ask_rules, make_ready
from lodestard.classify.words import hash_features
from lodestard.domain.request import Request
from lodestard.domain.task import Task

_OF_AIDER = {
    "commit": "commit", "summary": "summary", "architect": "plan", "editor": "edit", "edit": "edit", "ask": "explain",
    "help": "explain",
}  # fmt: skip
_KNOWN = {"embedding": "vectors are asked for", "autocomplete": "a gap is to be filled"}
_SHOWN_WORDS = {"trace": "an error's trace", "diff": "a diff", "log": "a log", "table": "a table", "sql": "a query"}

assert _OF_AIDER.keys() == {task for _, task in AIDER_TASKS}


class Examined(msgspec.Struct, frozen=True):
    """A request's task, and the numbers that it is corrected by: its features, and its scores without any correction.
    There are none where its shape says what it is. They hold no text, so they may be kept until somebody corrects."""

    task: Task
    features: Sequence[int] = ()
    scores: Sequence[float] = ()


def classify(request: Request, rules: TaskRules, corrections: Corrections = NONE) -> Task:
    """The request's task. ``sure`` is how much likelier its kind is than the next one."""
    return examine(request, rules, corrections).task


def examine(request: Request, rules: TaskRules, corrections: Corrections = NONE) -> Examined:
    """The same, with what is learned from where somebody corrects it."""
    reading = read(request)
    said = make_ready(reading.said, reading.user)
    if known := _by_shape(request):
        kind, why = known
        return Examined(_rated(Task(kind=kind, sure=1.0, why=why), reading, said))
    fired = ask_rules(rules, reading, said)
    features = hash_features(reading, fired)
    scores = _add(load_model().score(features), fired)
    chances = _chances(corrections.adjust(features, scores))
    first, second = sorted(chances, reverse=True)[:2]
    kind = SPOKEN[chances.index(first)]
    task = Task(kind=kind, sure=first - second, why=_tell(kind, fired, reading))
    return Examined(_rated(task, reading, said), features, scores)


def _by_shape(request: Request) -> tuple[str, str] | None:
    opening = read_opening(request)
    name = name_task(opening, request)
    if is_aider(opening):
        return _OF_AIDER[name], f"Aider's call: {name}"
    return (name, _KNOWN[name]) if name in _KNOWN else None


def _add(scores: Sequence[float], fired: Sequence[Fired]) -> list[float]:
    by_kind = dict(zip(SPOKEN, scores, strict=True))
    for rule in fired:
        if rule.kind in by_kind:
            by_kind[rule.kind] += rule.weight
    return list(by_kind.values())


def _chances(scores: Sequence[float]) -> list[float]:
    top = max(scores)
    parts = [math.exp(score - top) for score in scores]
    total = sum(parts)
    return [part / total for part in parts]


def _tell(kind: str, fired: Sequence[Fired], reading: Reading) -> str:
    """Why, in a few words, none of them the client's."""
    told = [f"[[tasks]] {rule.source}" for rule in fired if rule.source and rule.kind == kind and rule.weight > 0]
    if any(rule.source == 0 and rule.kind == kind for rule in fired):
        told.append(f"words of {kind}")
    told += [words for name, words in _SHOWN_WORDS.items() if name in reading.shown]
    return ", ".join(told or ["the model of words"])


def _rated(task: Task, reading: Reading, said: Searched) -> Task:
    hardness, parts = rate_hardness(task.kind, reading, said)
    harder = f"; harder by {', '.join(parts[:2])}" if parts else ""
    return Task(kind=task.kind, hardness=hardness, sure=task.sure, why=task.why + harder)
