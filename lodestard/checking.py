"""Checking an attempt's answer before it is released: what an alias wants, and what follows from a failure. Pure.

Law: nothing of an answer that failed is seen by a client while somebody else may still do better. A free model's
first try is cut as soon as it has failed; its second is read to its end, and so is whatever is paid: the cost is then
exact, and there is an answer for the client where nobody does better.
"""

from collections.abc import Mapping, Sequence

import msgspec

from lodestard.checks import Watch, open_watch
from lodestard.domain.attempt import AttemptRecord
from lodestard.domain.errors import CheckFault, Code
from lodestard.domain.reply import Draft, Piece, Reply
from lodestard.domain.request import Request
from lodestard.domain.settings import Model

MOST_TRIES = 2


class Terms(msgspec.Struct, frozen=True):
    """What the answers of a flight are checked for. ``held``: before anybody sees them; otherwise a failure is noted.

    ``tries``: how often each candidate is asked.
    """

    checks: tuple[str, ...] = ()
    held: bool = False
    tries: int = 1


NO_TERMS = Terms()


class SetAside(msgspec.Struct, frozen=True):
    """A whole answer that failed: the client gets it where nobody does better."""

    record: AttemptRecord
    pieces: Sequence[Piece]


class Judge:
    """Watches the answer of one attempt. ``cuts``: it is given up as soon as it has failed."""

    __slots__ = ("_cuts", "_record", "_watch", "held")

    def __init__(self, watch: Watch, record: AttemptRecord, *, held: bool, cuts: bool) -> None:
        self._watch = watch
        self._record = record
        self._cuts = cuts
        self.held = held

    def see(self, pieces: Sequence[Piece]) -> None:
        """More of it has come. Raises ``CheckFault`` where it is given up."""
        self._watch.see(pieces)
        if self._cuts and self._watch.failure:
            self._note()
            raise CheckFault(f"The answer failed the check {self._watch.failure}.", whole=False)

    def passes(self, draft: Draft) -> bool:
        """It is whole: whether it may be released. One that is not held always may."""
        self._watch.end(draft.reply().choices)
        self._note()
        return not (self._watch.failure and self.held)

    def fault(self) -> CheckFault:
        return CheckFault(f"The answer failed the check {self._watch.failure}.", whole=True)

    def _note(self) -> None:
        self._record.check = self._watch.failure


def terms_of(alias: str, request: Request, models: Mapping[str, Model]) -> Terms:
    """What the ``alias`` that is asked wants. A plain answer is released when it is whole, so it is always held."""
    model = models.get(alias)
    if model is None or not model.checks:
        return NO_TERMS
    held = model.hold or not request.stream
    return Terms(model.checks, held=held, tries=MOST_TRIES if held and model.retry else 1)


def open_judge(terms: Terms, request: Request, record: AttemptRecord, *, retried: bool) -> Judge | None:
    """Who watches the answer of an attempt; None where it is checked for nothing."""
    if not terms.checks:
        return None
    watch = open_watch(terms.checks, request)
    cuts = terms.held and record.candidate.free and not retried and terms.tries > 1
    return None if watch is None else Judge(watch, record, held=terms.held, cuts=cuts)


def passes_again(terms: Terms, request: Request, reply: Reply) -> bool:
    """Whether a kept answer, which may have been another alias's, passes what this one is checked for."""
    watch = open_watch(terms.checks, request) if terms.held else None
    if watch is None:
        return True
    for index, choice in enumerate(reply.choices):
        watch.see([Piece(choice=index, text=choice.text, tool_calls=choice.tool_calls)])
    watch.end(reply.choices)
    return not watch.failure


def failed(fault: object) -> bool:
    """Whether an attempt ended because of its checks."""
    return isinstance(fault, CheckFault) and fault.code is Code.CHECK_FAILED


def is_retry(attempts: Sequence[AttemptRecord]) -> bool:
    """Whether the newest attempt asks the one who has just failed a check."""
    if len(attempts) < MOST_TRIES:
        return False
    before, now = attempts[-2:]
    return before.outcome == Code.CHECK_FAILED and before.candidate.target == now.candidate.target


def name_failed(record: AttemptRecord | None) -> str:
    """``failed edits`` for the answer's header; empty where nothing failed."""
    return "" if record is None or not record.check else f"failed {record.check.partition(':')[0]}"
