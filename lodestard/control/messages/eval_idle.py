"""What was learned in idle time, and what learning is at."""

from collections.abc import Mapping

from lodestard.control.envelope import Message


class Replaying(Message, frozen=True):
    """The replay under way."""

    request_id: str
    task: str
    model: str


class EvalIdleStatus(Message, frozen=True):
    """``doing`` says why nothing is replayed; empty while something is. ``judged`` are the verdicts in all.

    ``store_text`` is None where the module is off, and nobody has looked.
    """

    enabled: bool = True
    store_text: bool | None = None
    doing: str = ""
    replaying: Replaying | None = None
    today: int = 0
    per_day: int = 0
    hours: str = ""
    models: tuple[str, ...] = ()
    judged: int = 0
    unfit: int = 0
    failed: int = 0


class EvalRow(Message, frozen=True):
    """What is known of a task and a model. ``count`` verdicts of ``total`` speak; ``good`` of them are as good as the
    answers of ``paid``, which they were mostly measured by. ``quality`` (1: as good) is between ``low`` and ``high``
    four times in five. ``weak_share`` of the verdicts are by likeness alone, or nearly so.
    """

    task: str
    model: str
    paid: str = ""
    count: int = 0
    good: int = 0
    total: int = 0
    quality: float | None = None
    low: float | None = None
    high: float | None = None
    weak_share: float = 0.0
    kinds: Mapping[str, int] = {}
    seconds: float | None = None
    tokens_per_s: float | None = None
    unfit: int = 0
    failed: int = 0
    at_ms: int | None = None


class EvalReport(Message, frozen=True):
    rows: tuple[EvalRow, ...] = ()
