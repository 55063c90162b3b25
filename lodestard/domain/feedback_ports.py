"""The doors of feedback: who counts what became of answers, and who takes verdicts in."""

from typing import Protocol

from lodestard.domain.feedback import Cell, Feedback, Given, Turn
from lodestard.domain.upstream import Target


class OutcomesPort(Protocol):
    """How often models' answers were of use."""

    def cells(self, target: Target) -> tuple[Cell, ...]:
        """Good and bad answers of ``target``, by kind of work and hardness.

        Weighted by who judged, and fading: 1.0 is one that a person has judged just now. The same object while
        nothing has changed.
        """
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
