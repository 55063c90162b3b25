"""What the course of a session shows of its answers, without anybody saying so. Pure but for what it remembers.

A complaint shows (the same message again, an edit that did not fit), and that a session goes on without one does too.

Law: of a session's requests of one task only the last is remembered, by its id and a number, never by its text;
bounded, and the session that was quiet longest is forgotten first. What a person says counts beside it, not instead.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lodestard.domain.feedback import Feedback, Turn, WentOn, kind_of

MOST = 1_024
SOON_MS = 600_000
MOST_AGAIN = 2
"""Who sends the same message over and over is a loop, not somebody who was not content."""


class Last:
    """The last answer of a session's task. ``again``: how often its message has come in a row.

    ``answer``: it, as it counts where nobody complains; None where there is none, or only a part of one.
    """

    __slots__ = ("again", "answer", "at_ms", "mark", "request_id")

    def __init__(self, turn: Turn, at_ms: int, again: int) -> None:
        self.request_id = turn.request_id
        self.answer = answer_of(turn, at_ms)
        self.mark = turn.said.mark
        self.at_ms = at_ms
        self.again = again


class Aftermaths:
    """Whose last answer was which."""

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[str, str, str], Last] = OrderedDict()

    def note(self, turn: Turn, now_ms: int) -> Iterator[Feedback | WentOn]:
        """Take in a request that has ended: what it shows of itself, and of the answer before it."""
        for target in turn.failed:
            yield Feedback(request_id=turn.request_id, verdict="bad", source="check", target=target)
        if not turn.said.mark or not turn.fresh or turn.caller.origin:
            return
        caller = turn.caller
        key = (caller.principal, caller.session, caller.task)
        before = self._last.pop(key, None)
        same = before is not None and before.mark == turn.said.mark
        again = before.again + 1 if before is not None and same else 0
        self._last[key] = Last(turn, now_ms, again)
        if len(self._last) > MOST:
            self._last.popitem(last=False)
        if before is not None and before.answer is not None and now_ms - before.at_ms <= SOON_MS:
            if turn.said.edit_failed:
                yield Feedback(request_id=before.request_id, verdict="bad", source="edit_failed")
            elif not same:
                yield before.answer
            elif again <= MOST_AGAIN:
                yield Feedback(request_id=before.request_id, verdict="bad", source="resent")


def answer_of(turn: Turn, at_ms: int) -> WentOn | None:
    """A whole answer of a model."""
    if not turn.whole or turn.target is None:
        return None
    kind = kind_of(turn.task or turn.caller.task)
    return WentOn(target=str(turn.target), kind=kind, hardness=turn.hardness, at_ms=at_ms)


class Past(NamedTuple):
    """A request that ended long ago, as it is kept; the newest message is not. ``answered``: whole, by a model."""

    request_id: str
    principal: str
    session: str
    task: str
    target: str
    at_ms: int
    answered: int
    hardness: float


def replay(requests: Iterable[Past], blamed: frozenset[str]) -> Iterator[WentOn]:
    """After which answers sessions went on, of requests in their order; ``blamed`` were complained of."""
    last: dict[tuple[str, str, str], Past] = {}
    for request in requests:
        before = last.get(key := (request.principal, request.session, request.task))
        last[key] = request
        if before is None or not before.answered or before.request_id in blamed:
            continue
        if request.at_ms - before.at_ms <= SOON_MS:
            kind = kind_of(before.task)
            yield WentOn(target=before.target, kind=kind, hardness=before.hardness, at_ms=before.at_ms)
