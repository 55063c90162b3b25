"""Seconds that are guesses, as a person says them: with no more digits than they are worth. Pure."""

from lodestarctl.render.words import UNKNOWN, about, span
from lodestard.control.messages.gpu import Estimate, Learned

WHOLE_FROM_S = 9.95
MINUTE_MS = 60_000
NEVER_MS = 50 * 365 * 86_400_000


def seconds(value_s: float | None) -> str:
    """``0.4 s``, ``12 s``, ``3 min 5 s``."""
    if value_s is None:
        return UNKNOWN
    if value_s < 0.05:
        return "<0.1 s"
    return f"{value_s:.1f} s" if value_s < WHOLE_FROM_S else span(round(value_s))


def brief(value_s: float | None) -> str:
    """As ``seconds``, but by whole minutes from one minute on: for narrow columns."""
    return seconds(value_s) if value_s is None or value_s < 60 else span(round(value_s / 60) * 60)


def about_seconds(value_s: float) -> str:
    """``about 4 s``: of what is still to come nobody knows the tenths."""
    return f"about {span(round(value_s))}" if value_s >= 0.5 else "less than a second"


def estimate(wait: Estimate) -> str:
    """``2.9 s (1.8 s to 4.4 s)``; without an interval where it says the same."""
    likely, low, high = seconds(wait.likely_s), seconds(wait.low_s), seconds(wait.high_s)
    return likely if low == high == likely else f"{likely} ({low} to {high})"


def speed(rate: Learned | None) -> str:
    """Tokens a second: ``312``, ``13.4``."""
    if rate is None:
        return UNKNOWN
    return f"{rate.value:.1f}" if rate.value < 99.95 else about(round(rate.value))


def until(instant_ms: int, now_ms: int) -> str:
    """``29 min``: what is left until then, by the minute; ``for ever`` where that is beyond a life."""
    left_ms = instant_ms - now_ms
    if left_ms > NEVER_MS:
        return "for ever"
    if left_ms < MINUTE_MS:
        return span(left_ms // 1000) if left_ms > 0 else "over"
    return span(left_ms // MINUTE_MS * MINUTE_MS // 1000)
