"""What a window will have cost when it ends."""

from lodestard.control.envelope import Message


class Projected(Message, frozen=True):
    """An interval, or ``reason`` why there is none (the amounts are None then).

    ``error_per_mille`` is the median of what ``method`` would have been wrong by, asked ``back_tests`` times on the
    last ``days`` days for the following ``back_test_days``. ``ends_ms`` is when the window ends.
    """

    window: str
    ends_ms: int
    spent_nano_usd: int
    low_nano_usd: int | None = None
    likely_nano_usd: int | None = None
    high_nano_usd: int | None = None
    error_per_mille: int | None = None
    method: str = ""
    days: int = 0
    back_tests: int = 0
    back_test_days: int = 0
    reason: str = ""
