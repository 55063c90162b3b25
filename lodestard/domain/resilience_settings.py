"""The tables that say what happens where an upstream fails: when it is passed over, and who is asked instead.

Law: as in ``settings.py``.
"""

from typing import Literal

import msgspec

from lodestard.domain.record import Count, Positive, Record, Seconds

Condition = Literal["error", "timeout", "rate_limit", "refusal", "context", "slow_first_token", "check"]
USUAL: tuple[Condition, ...] = ("error", "timeout", "rate_limit", "context", "check")


class BreakerRules(Record, frozen=True):
    """When an upstream, or one of its models, is asked last, and for how long.

    So many ``failures`` in a row within ``window_s`` open its breaker (0: none do). It stays open for ``open_s``,
    each time twice as long as before, at most ``most_open_s``. Then one request at a time tries it, and
    ``half_open_probes`` good answers close it.
    """

    failures: Count = 5
    window_s: Seconds = 60.0
    open_s: Seconds = 15.0
    most_open_s: Seconds = 300.0
    half_open_probes: Positive = 1


class OwnBreakerRules(Record, frozen=True):
    """The same of one upstream: what it says goes before what holds for all."""

    failures: Count | None = None
    window_s: Seconds | None = None
    open_s: Seconds | None = None
    most_open_s: Seconds | None = None
    half_open_probes: Positive | None = None

    def over(self, usual: BreakerRules) -> BreakerRules:
        """``usual`` where it says nothing."""
        said = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(usual, **said)


class Fallback(Record, frozen=True):
    """What leads on from one candidate of an alias to the next.

    ``on``: what does. ``first_token_s``: a stream that has begun no answer by then is slow. ``retries``: how often
    somebody who takes no more now is asked again once nobody else is left. ``hedge``: the next candidate is started
    beside one that has said nothing for ``hedge_after_s``: a free one, or any.
    """

    on: tuple[Condition, ...] = USUAL
    first_token_s: Seconds = 20.0
    retries: Count = 0
    hedge: Literal["free", "paid", ""] = ""
    hedge_after_s: Seconds = 8.0
