"""The checks of one answer, together: the first failure is the one that counts.

Law: only those are opened that the request gives something to judge. A choice that a limit or a filter ended is not
judged at its end, for its client is told so; nor is one in which the model refused.
"""

from collections.abc import Iterable, Sequence

from lodestard.checks.called_tools import open_tools
from lodestard.checks.check import Check
from lodestard.checks.edits import open_edits
from lodestard.checks.schema import open_schema
from lodestard.domain.reply import Choice, Piece
from lodestard.domain.request import Request

NOTHING_WRONG = ""
_OPEN = {"edits": open_edits, "tools": open_tools, "schema": open_schema}


class Watch:
    """Looks at one answer. ``failure`` is the name of the check that failed and why: ``edits: block 1 …``."""

    __slots__ = ("_checks", "failure")

    def __init__(self, checks: Sequence[Check]) -> None:
        self._checks = checks
        self.failure = NOTHING_WRONG

    def see(self, pieces: Iterable[Piece]) -> None:
        """More of the answer has come."""
        if self.failure:
            return
        for piece in pieces:
            for check in self._checks:
                if reason := check.see(piece):
                    self.failure = f"{check.name}: {reason}"
                    return

    def end(self, choices: Sequence[Choice]) -> None:
        """The answer is whole."""
        if self.failure:
            return
        for index, choice in enumerate(choices):
            if choice.refusal or choice.finish in ("length", "content_filter"):
                continue
            for check in self._checks:
                if reason := check.end(index, choice):
                    self.failure = f"{check.name}: {reason}"
                    return


def open_watch(names: Iterable[str], request: Request) -> Watch | None:
    """The checks of these names; None where ``request`` gives none of them anything to judge."""
    if not request.conversation.is_chat:
        return None
    opened = [check for name in names if (check := _OPEN[name](request.conversation)) is not None]
    return Watch(opened) if opened else None
