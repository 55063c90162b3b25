"""Feedback on answers: taken in, kept beside their requests, and counted.

Law: one row for each source that judges an answer; who judges again replaces what it said. Whoever asked judges its
own requests alone, and is told of others' as of none. Nobody waits for a row: it rides with the next group commit.
Owner of the table ``feedback`` and of the sums over it.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from lodestard.domain.errors import CallerFault, Code, HouseFault
from lodestard.domain.feedback import (
    HALF_LIFE_MS,
    MIDDLING,
    TOLD,
    WEIGHTS,
    Cell,
    Feedback,
    Given,
    Turn,
    WentOn,
    kind_of,
)
from lodestard.domain.ports import Row, Store, Tx, Value
from lodestard.domain.upstream import Target
from lodestard.ledger.aftermaths import Aftermaths, Past, replay
from lodestard.ledger.outcomes import Outcomes
from lodestard.ledger.text import bounded

_log = logging.getLogger(__name__)

MOST_RECENT = 1_024
MOST_REBUILT = 20_000
REBUILT_MS = 5 * HALF_LIFE_MS  # what is older counts a thirtieth of what it was
MOST_REPLAYED = 1_000
"""More requests can't say more: what shows of a model is bounded."""

_COLUMNS = ", ".join(Given.__struct_fields__)
_SUBJECT = "SELECT principal, upstream, model, task, project FROM request WHERE id = ?"
_GIVEN = f"SELECT {_COLUMNS} FROM feedback WHERE request_id = ? AND source = ? AND target = ?"  # noqa: S608  ours
_OF = f"SELECT {_COLUMNS} FROM feedback WHERE request_id = ? ORDER BY at_ms"  # noqa: S608  columns of ours
_LATEST = f"SELECT {_COLUMNS} FROM feedback WHERE at_ms >= ? ORDER BY at_ms DESC LIMIT ?"  # noqa: S608
_PAST = f"""
SELECT id, principal, session, task, upstream || '/' || model, received_ms,
    outcome = 'ok' AND cache <> 'hit' AND upstream <> '',
    CASE WHEN json_valid(body) THEN coalesce(json_extract(body, '$.task.hardness'), {MIDDLING}) ELSE {MIDDLING} END
FROM request LEFT JOIN trace ON request_seq = seq
WHERE received_ms >= ? AND state = 'closed' AND task NOT IN ('embedding', 'autocomplete')
ORDER BY seq DESC LIMIT ?
"""  # noqa: S608  a figure of ours
_WRITE = f"""
INSERT INTO feedback ({_COLUMNS}) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM request WHERE id = ?)
ON CONFLICT DO UPDATE SET verdict = excluded.verdict, kind = excluded.kind, weight = excluded.weight,
    at_ms = excluded.at_ms, hardness = excluded.hardness
"""  # noqa: S608


class Subject(NamedTuple):
    """What is known of a request that is judged."""

    principal: str
    target: str
    task: str
    project: str
    hardness: float = MIDDLING


class FeedbackBook:
    """Implements ``domain.ports.FeedbackPort``."""

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms
        self._outcomes = Outcomes()
        self._aftermaths = Aftermaths()
        self._recent: OrderedDict[str, Subject] = OrderedDict()
        self._given: OrderedDict[tuple[str, str, str], Given] = OrderedDict()
        self._rebuild()

    def _rebuild(self) -> None:
        now_ms = self._now_ms()
        kept = [read_given(row) for row in self._store.read(_LATEST, (now_ms - REBUILT_MS, MOST_REBUILT))]
        for given in reversed(kept):
            self._outcomes.add(given, now_ms)
        blamed = frozenset([given.request_id for given in kept if given.source not in TOLD])
        rows = self._store.read(_PAST, (now_ms - REBUILT_MS, MOST_REPLAYED))
        for went_on in replay([Past(*row) for row in reversed(rows)], blamed):  # type: ignore[arg-type]
            self._outcomes.go_on(went_on, now_ms)

    # -- asking ------------------------------------------------------------------------------------------------

    def of_request(self, request_id: str) -> Sequence[Given]:
        """What was said and seen of one answer, the oldest first. Raises ``HouseFault``."""
        return [read_given(row) for row in self._store.read(_OF, (request_id,))]

    async def latest(self, limit: int) -> Sequence[Given]:
        """The newest first, with what was posted just now. Raises ``HouseFault``."""
        await self._store.commit(_nothing)
        return [read_given(row) for row in await self._store.query(_LATEST, (0, limit))]

    def cells(self, target: Target) -> tuple[Cell, ...]:
        """See the port."""
        return self._outcomes.cells(str(target), self._now_ms())

    # -- taking in ---------------------------------------------------------------------------------------------

    def judge(self, feedback: Feedback, principal: str | None) -> Given:
        """See the port."""
        subject = self._find(feedback.request_id)
        if subject is None or (principal is not None and subject.principal != bounded(principal)):
            raise CallerFault(Code.NOT_FOUND, "There is no such request of yours to judge.", param="id")
        target = str(feedback.target) if feedback.target is not None else subject.target
        if not target:
            raise CallerFault(Code.INVALID_REQUEST, "Nobody has answered that request.", param="id")
        given = Given(
            request_id=feedback.request_id,
            source=feedback.source,
            target=bounded(target),
            verdict=feedback.verdict,
            kind=feedback.kind or kind_of(subject.task),
            project=subject.project,
            weight=WEIGHTS[feedback.source],
            at_ms=self._now_ms(),
            hardness=subject.hardness,
        )
        self._count(given)
        self._store.post(partial(write_given, given=given))
        return given

    def note_turn(self, turn: Turn) -> None:
        """See the port."""
        caller = turn.caller
        target = str(turn.target) if turn.target is not None else ""
        self._recent[turn.request_id] = Subject(
            bounded(caller.principal),
            target,
            bounded(turn.task or caller.task),
            bounded(caller.project),
            turn.hardness,
        )
        if len(self._recent) > MOST_RECENT:
            self._recent.popitem(last=False)
        now_ms = self._now_ms()
        for shown in self._aftermaths.note(turn, now_ms):
            if isinstance(shown, WentOn):
                self._outcomes.go_on(shown, now_ms)
                continue
            try:
                self.judge(shown, caller.principal)
            except (CallerFault, HouseFault) as fault:
                _log.debug("what became of an answer was not kept: %s", fault.message)

    def _find(self, request_id: str) -> Subject | None:
        """Of late ones from memory: their rows may not be written yet. Raises ``HouseFault``."""
        subject = self._recent.get(request_id)
        if subject is None and (rows := self._store.read(_SUBJECT, (bounded(request_id),))):
            principal, upstream, model, task, project = map(str, rows[0])
            subject = Subject(principal, f"{upstream}/{model}" if upstream else "", task, project)
        return subject

    def _count(self, given: Given) -> None:
        """In place of what the same source said before."""
        key = (given.request_id, given.source, given.target)
        now_ms = self._now_ms()
        before = self._given.pop(key, None)
        if before is None and (rows := self._store.read(_GIVEN, key)):
            before = read_given(rows[0])
        if before is not None:
            self._outcomes.take_back(before, now_ms)
        self._outcomes.add(given, now_ms)
        self._given[key] = given
        if len(self._given) > MOST_RECENT:
            self._given.popitem(last=False)


def _nothing(tx: Tx) -> None:
    """Once it is done, so is all that was posted before it."""


def read_given(row: Row) -> Given:
    """A row of the table."""
    members: dict[str, Value] = dict(zip(Given.__struct_fields__, row, strict=True))
    return msgspec.convert(members, Given)


def write_given(tx: Tx, given: Given) -> None:
    """Keep it, unless its request has gone meanwhile."""
    tx.execute(_WRITE, (*msgspec.structs.astuple(given), given.request_id))
