"""What the course of a session shows of its answers, without anybody saying so. Pure but for what it remembers.

Law: of a session's requests of one task only the last is remembered, by its id and a number, never by its text;
bounded, and the session that was quiet longest is forgotten first. What a person says counts beside it, not instead.
"""

from collections import OrderedDict
from collections.abc import Iterator

from lodestard.domain.feedback import Feedback, Turn

MOST = 1_024
SOON_MS = 600_000
MOST_AGAIN = 2
"""Who sends the same message over and over is a loop, not somebody who was not content."""


class Last:
    """The last answer of a session's task. ``again``: how often its message has come in a row."""

    __slots__ = ("again", "at_ms", "mark", "request_id")

    def __init__(self, turn: Turn, at_ms: int, again: int) -> None:
        self.request_id = turn.request_id if turn.whole else ""
        self.mark = turn.said.mark
        self.at_ms = at_ms
        self.again = again


class Aftermaths:
    """Whose last answer was which."""

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[str, str, str], Last] = OrderedDict()

    def note(self, turn: Turn, now_ms: int) -> Iterator[Feedback]:
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
        if before is not None and before.request_id and now_ms - before.at_ms <= SOON_MS:
            if turn.said.edit_failed:
                yield Feedback(request_id=before.request_id, verdict="bad", source="edit_failed")
            elif same and again <= MOST_AGAIN:
                yield Feedback(request_id=before.request_id, verdict="bad", source="resent")
