"""What providers say in header fields of how much they still take: requests and tokens, until when.

Law: what makes no sense says nothing. Sources: OpenAI's "Rate limits" (``x-ratelimit-*``, resets as Go durations),
Anthropic's "Rate limits" (``anthropic-ratelimit-*``, resets as RFC 3339), OpenRouter's "Limits" (resets as unix
milliseconds); Groq, Mistral and others write seconds.
"""

import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from lodestard.protocols.rfc3339 import unix_ms

Unit = Literal["requests", "tokens", "counted"]
"""What a limit counts. ``counted`` are tokens that the provider counts by rules of its own, so that nobody foresees
what a request takes: of Anthropic's, those read from its cache are none, and those of the answer count as written."""

MARK = b"ratelimit-"
"""What the names of all such fields have in them."""

MAX_RESET_S = 86_400.0
_NAME = re.compile(r"(x-|anthropic-)?ratelimit-(.+)")
_COUNTS = "anthropic-"
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?", re.ASCII)
_NUMBER = re.compile(r"\d{1,18}(?:\.\d{1,9})?", re.ASCII)
_WORDS = frozenset(("limit", "remaining", "reset"))
_EPOCH_S, _EPOCH_MS = 10**9, 10**12


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One limit. ``kind`` is its name (requests, tokens, input-tokens …), ``unit`` what it counts.

    ``reset_s``: in so many seconds all of ``limit`` may be used again.
    """

    kind: str
    unit: Unit
    limit: int
    remaining: int
    reset_s: float


def read_limits(fields: Iterable[tuple[str, str]], now_ms: int) -> tuple[Told, ...]:
    """Header fields (names in lower case) → the limits that they tell of. ``now_ms`` is unix time. Never raises."""
    said: dict[tuple[str, Unit], dict[str, str]] = {}
    for name, value in fields:
        if (found := _NAME.fullmatch(name)) is not None:
            words = found[2].split("-")
            what = next((word for word in words if word in _WORDS), "")
            kind = "-".join(word for word in words if word not in _WORDS)
            said.setdefault((kind or "requests", _unit(found[1], kind)), {})[what] = value.strip()
    told = (_read(kind, unit, values, now_ms) for (kind, unit), values in said.items())
    return tuple(limit for limit in told if limit is not None)


def _unit(whose: str | None, kind: str) -> Unit:
    if "tokens" not in kind:
        return "requests"
    return "counted" if whose == _COUNTS else "tokens"


def _read(kind: str, unit: Unit, values: dict[str, str], now_ms: int) -> Told | None:
    limit, remaining = _count(values.get("limit")), _count(values.get("remaining"))
    reset_s = read_reset_s(values.get("reset", ""), now_ms)
    if not limit or remaining is None or reset_s is None:
        return None
    return Told(kind=kind, unit=unit, limit=limit, remaining=min(remaining, limit), reset_s=reset_s)


def read_reset_s(text: str, now_ms: int) -> float | None:
    """``"6m0s"``, ``"20ms"``, ``"7.66"``, ``"1763632800000"``, ``"2026-11-20T11:00:00Z"`` → seconds from now on."""
    if _NUMBER.fullmatch(text):
        number = float(text)
        if number >= _EPOCH_MS:
            number = (number - now_ms) / 1000
        elif number >= _EPOCH_S:
            number -= now_ms / 1000
        return _bounded(number)
    if (moment_ms := unix_ms(text)) is not None:
        return _bounded((moment_ms - now_ms) / 1000)
    found = _DURATION.fullmatch(text) if text else None
    if found is None:
        return None
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
    return _bounded(hours * 3600 + minutes * 60 + seconds + milliseconds / 1000)


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), MAX_RESET_S)


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 15 else None
