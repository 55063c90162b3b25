"""The doors of feedback: who counts what became of answers, and who takes verdicts in."""

from typing import Protocol

from lodestard.domain.feedback import Cell, Feedback, Given, Turn
from lodestard.domain.upstream import Target


class OutcomesPort(Protocol):
    """How often models' answers were of use."""

    def counts(self, target: Target, kind: str, project: str = "") -> tuple[float, float]:
        """(good, bad) answers of ``target`` at this kind of work, of one project or (empty) of all of them.

        Weighted by who judged, and fading: 1.0 is one that a person has judged just now.
        """
        ...

    def cells(self, target: Target) -> tuple[Cell, ...]:
        """The same of all projects, by kind and hardness. The same object while nothing has changed."""
        ...


class FeedbackPort(OutcomesPort, Protocol):
    """Where verdicts on answers come in."""

    def judge(self, feedback: Feedback, principal: str | None) -> Given:
        """Take in a verdict, in place of what the same source said before. ``principal``: who judges, None for
        whoever may judge everybody's.

        Raises ``CallerFault`` where there is no such request of its own, or no answer; ``HouseFault``.
        """
        ...

    def note_turn(self, turn: Turn) -> None:
        """A request has ended: it can be judged from now on, and may itself say something of the one before it."""
        ...
