"""What kind of work requests are, with what people have corrected.

Law: on a request's way only where a choice asks for it. Others are labelled after their reply, and at most
``MOST_A_SECOND`` of them: whoever asks more often than that asks much of the same, and the rest keep the label that
their shape gave them. Of a request only numbers are remembered, never its text. Owner of the corrections; it outlives
every generation.
"""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache

import trio

from lodestard.classify.classify import Examined, examine
from lodestard.classify.corrections import NONE, Corrections
from lodestard.classify.task_rules import TaskRules, compile_rules
from lodestard.domain.feedback import kind_of
from lodestard.domain.request import Caller, Request
from lodestard.domain.task import KINDS, Task
from lodestard.domain.task_rule import TaskRule

VAGUE = frozenset(("", "chat", "tools", "json"))
"""Labels that only a request's shape gave it."""

MOST_A_SECOND = 20
MOST_REMEMBERED = 512
logger = logging.getLogger(__name__)


@lru_cache(maxsize=4)
def compiled(own: tuple[TaskRule, ...]) -> TaskRules:
    """``[[tasks]]`` over those that are built in."""
    return compile_rules(own)


class Tasks:
    """What the corrections are, and what was measured of the last requests."""

    def __init__(self, learned: bytes = b"") -> None:
        """``learned`` is what ``dump`` once gave; what can't be read is nothing."""
        self._corrections = _read(learned)
        self._dump = b""
        self._measures: OrderedDict[str, tuple[Sequence[int], Sequence[float]]] = OrderedDict()
        self._second, self._done = 0.0, 0

    def find(self, request: Request, caller: Caller, own: tuple[TaskRule, ...]) -> Task:
        """What a request is. A kind that its client named itself stands, however hard it is found to be."""
        return _named(self._examine(request, own).task, caller)

    def note_end(
        self, request_id: str, request: Request, caller: Caller, known: Task | None, own: tuple[TaskRule, ...]
    ) -> Task | None:
        """A request has had its reply: what it is, if that is ``known`` or there is time to look; and the numbers by
        which it may be corrected are kept, if there is time to measure them."""
        if not self._has_time():
            return known
        found = self._examine(request, own)
        if found.features:
            self._measures[request_id] = (found.features, found.scores)
            if len(self._measures) > MOST_REMEMBERED:
                self._measures.popitem(last=False)
        return known or _named(found.task, caller)

    def correct(self, request_id: str, kind: str) -> bool:
        """A person says what a request was. Whether anything was learned: it has to be one of the last ones,
        and of a kind that words tell."""
        found = self._measures.get(request_id)
        if found is None:
            return False
        learned = self._corrections.learn(*found, kind)
        if learned is self._corrections:
            return False
        self._corrections, self._dump = learned, b""
        return True

    def dump(self) -> bytes:
        """Asked for every minute, and made where something was learned: it takes 10 ms where much was."""
        self._dump = self._dump or self._corrections.to_bytes()
        return self._dump

    def _examine(self, request: Request, own: tuple[TaskRule, ...]) -> Examined:
        return examine(request, compiled(own), self._corrections)

    def _has_time(self) -> bool:
        now_s = trio.current_time()
        if now_s - self._second >= 1.0:
            self._second, self._done = now_s, 0
        self._done += 1
        return self._done <= MOST_A_SECOND


def _named(found: Task, caller: Caller) -> Task:
    if caller.task in VAGUE or caller.task not in KINDS:
        return found
    return Task(kind=kind_of(caller.task), hardness=found.hardness, sure=1.0, why="said by its client")


def _read(learned: bytes) -> Corrections:
    if not learned:
        return NONE
    try:
        return Corrections.from_bytes(learned)
    except ValueError as error:
        logger.warning("what was corrected of tasks is learned anew: %s", error)
        return NONE
