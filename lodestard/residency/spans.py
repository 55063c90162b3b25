"""How long something takes, and how long several things take one after the other. Pure arithmetic.

A *span* is what is likely with the interval that four in five are within. A *sum* of spans is kept as what such spans
add up by: their means exactly; how far the interval reaches either way as independent errors do (the root of their
squares), but for the part of each that is not known well enough yet and would be wrong in the same way every time,
which adds up as it is; and by how much the mean is above the median, which does not grow with their number.

Law: one span's sum is that span; and a sum never gets lower, at either end or in the middle, by adding to it.
"""

from collections.abc import Sequence
from math import exp, log, sqrt
from typing import NamedTuple

from lodestard.domain.residency import Figure

LEAST_SHARED = 0.1
"""Of the variance, even of what was seen often: hosts drift, and work of one kind comes in a row."""
SKEWED = 0.3 / (1.0 - LEAST_SHARED)
"""By how much of its upper reach over its lower one a span's mean lies above what is likely. What all share is wrong
once for all: what is likely of it adds up to what is likely."""
SHORTEST_S = 1e-6
TAIL = log(5.0)
"""Beyond ``high`` a span goes on as a memoryless one that falls from a half to a tenth between likely and high."""
LEAST_TAIL = 0.1


class Span(NamedTuple):
    """Seconds, ``low <= likely <= high``. ``shared``: the part of its variance that all spans like it share."""

    likely: float
    low: float
    high: float
    shared: float = LEAST_SHARED


class Sum(NamedTuple):
    """Spans one after the other; add with ``after``, read with ``total``."""

    mean: float = 0.0
    down2: float = 0.0
    up2: float = 0.0
    down_shared: float = 0.0
    up_shared: float = 0.0
    skew: float = 0.0
    weight: float = 0.0


NOTHING = Sum()


def after(before: Sum, span: Span, times: float = 1.0) -> Sum:
    """``span`` comes after ``before``, ``times`` times; less than once is that part of it."""
    likely, low, high, shared = span
    mean = likely + (1.0 - shared) * SKEWED * max(0.0, (low - likely) + (high - likely))
    down, up = mean - low, high - mean
    part = min(1.0, times)
    own, alike = (1.0 - shared) * times * part, sqrt(shared) * times
    weight = (up + down) ** 2 * times * part
    return Sum(
        before.mean + mean * times,
        before.down2 + own * down * down,
        before.up2 + own * up * up,
        before.down_shared + alike * down,
        before.up_shared + alike * up,
        before.skew + (mean - likely) * part * weight,
        before.weight + weight,
    )


def total(spans: Sum) -> Span:
    """All of it as one span."""
    skew = spans.skew / spans.weight if spans.weight > 0 else 0.0
    down = sqrt(spans.down2 + spans.down_shared**2)
    up = sqrt(spans.up2 + spans.up_shared**2)
    likely = max(0.0, spans.mean - skew)
    return Span(likely, min(likely, max(0.0, spans.mean - down)), max(likely, spans.mean + up))


def of_figure(figure: Figure, times: float = 1.0) -> Span:
    """A learned figure, so many times over in one go."""
    return Span(figure.value * times, figure.low * times, figure.high * times, shared_by(figure.count))


def of_product(one: Figure, other: Figure, most: float | None = None) -> Span:
    """Two learned figures that have nothing to do with one another, multiplied; ``one`` is ``most`` at the most."""
    likely, low, high = (min(value, most) if most is not None else value for value in (one.value, one.low, one.high))
    if min(low, other.low) <= 0:
        return Span(likely * other.value, 0.0, high * other.high, shared_by(min(one.count, other.count)))
    down = sqrt(log(likely / low) ** 2 + log(other.value / other.low) ** 2)
    up = sqrt(log(high / likely) ** 2 + log(other.high / other.value) ** 2)
    value = likely * other.value
    return Span(value, value * exp(-down), value * exp(up), shared_by(min(one.count, other.count)))


def shared_by(count: int) -> float:
    """An assumption is wrong in the same way every time; the median of many is hardly wrong."""
    return max(LEAST_SHARED, 1.0 / (1.0 + count))


def together(spans: Sequence[Span]) -> Span:
    """One after the other, as one span."""
    added = NOTHING
    for span in spans:
        added = after(added, span)
    shared = max((span.shared for span in spans), default=LEAST_SHARED)
    return total(added)._replace(shared=shared)


def left_of(span: Span, elapsed: float) -> Span:
    """What is left of it, given that it has gone on for ``elapsed`` and is not over."""
    if elapsed <= 0:
        return span
    gone = _share_before(span, elapsed)
    likely, low, high = (max(0.0, _quantile(span, gone + (1 - gone) * share) - elapsed) for share in (0.5, 0.1, 0.9))
    return Span(likely, min(low, likely), max(high, likely), span.shared)


def _tail(span: Span) -> float:
    return max((span.high - span.likely) / TAIL, LEAST_TAIL * span.likely, SHORTEST_S)


def _share_before(span: Span, elapsed: float) -> float:
    """How many such spans are over after ``elapsed``; less than all."""
    if elapsed < span.low:
        return 0.1 * elapsed / span.low
    if elapsed < span.likely:
        return 0.1 + 0.4 * (elapsed - span.low) / (span.likely - span.low)
    if elapsed < span.high:
        return 0.5 + 0.4 * (elapsed - span.likely) / (span.high - span.likely)
    return 1.0 - 0.1 * exp(-min(30.0, (elapsed - span.high) / _tail(span)))


def _quantile(span: Span, share: float) -> float:
    """After how long that share of such spans is over."""
    if share <= 0.1:
        return span.low * share / 0.1
    if share <= 0.5:
        return span.low + (span.likely - span.low) * (share - 0.1) / 0.4
    if share <= 0.9:
        return span.likely + (span.high - span.likely) * (share - 0.5) / 0.4
    return span.high - _tail(span) * log(max(1e-15, 1.0 - share) / 0.1)
