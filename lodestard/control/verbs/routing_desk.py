"""What the verbs of feedback ask of the house, as Protocols."""

from collections.abc import Sequence
from typing import Protocol

from lodestard.domain.feedback import Feedback, Given


class FeedbackDesk(Protocol):
    """Verdicts on answers."""

    def judge(self, feedback: Feedback, principal: str | None) -> Given:
        """Take one in. Raises ``CallerFault`` where there is no such request."""
        ...

    def of_request(self, request_id: str) -> Sequence[Given]:
        """Those on one answer, the oldest first."""
        ...

    async def latest(self, limit: int) -> Sequence[Given]:
        """The newest first."""
        ...


class RoutingDesk(Protocol):
    """The part of the desk that these are asked for at."""

    @property
    def feedback(self) -> FeedbackDesk: ...
