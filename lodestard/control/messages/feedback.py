"""What became of answers."""

from lodestard.control.envelope import Message


class FeedbackRow(Message, frozen=True):
    """A verdict on an answer of ``target``. ``source`` says whose or by which sign; ``weight`` what it counts.

    ``learned``: whether the classifier learned from the kind that was said; None where none was said just now.
    """

    request_id: str
    source: str
    target: str
    verdict: str
    kind: str
    at_ms: int
    weight: float = 1.0
    project: str = ""
    learned: bool | None = None


class FeedbackList(Message, frozen=True):
    """The newest first."""

    feedback: tuple[FeedbackRow, ...]
