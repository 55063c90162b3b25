"""What was seen of a local model's work: words for whoever chooses who answers."""

import msgspec


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """How well one model does one task, measured on the user's own requests beside a paid model's answers.

    ``quality`` is a mean in [0, 1]: 1 is as good as the paid answer. Four times in five the true one is between
    ``low`` and ``high``; evidence that says little makes them far apart. ``count`` answers were judged, ``good`` of
    them as good as the paid one; ``weak_share`` of them by likeness alone, or nearly so. ``seconds`` is how long an
    answer takes (the median, without waiting and loading). ``at_ms`` is when the last one was judged.
    """

    quality: float
    low: float
    high: float
    count: int
    good: int = 0
    weak_share: float = 0.0
    seconds: float = 0.0
    at_ms: int = 0
