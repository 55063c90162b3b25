"""Go's durations as Ollama reads ``keep_alive``: ``"10m"``, a number of seconds, or negative for ever."""

import math
import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")
_WHOLE = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+")


class DurationError(ValueError):
    """Not a duration; the text is Go's own message."""


def parse_keep_alive(value: object) -> float | None:
    """Seconds, ``math.inf`` for ever, None where nothing was asked. Raises `DurationError`."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise DurationError(f"Unsupported type: '{_go_type(value)}'")
    seconds = parse_duration(value) if isinstance(value, str) else float(value)
    return math.inf if seconds < 0 else seconds


def parse_duration(text: str) -> float:
    """Go's ``time.ParseDuration``, in seconds."""
    if text in ("0", "+0", "-0"):
        return 0.0
    if not _WHOLE.fullmatch(text):
        if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", text):
            raise DurationError(f'time: missing unit in duration "{text}"')
        raise DurationError(f'time: invalid duration "{text}"')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return -seconds if text.startswith("-") else seconds


def _go_type(value: object) -> str:
    return (
        "bool"
        if isinstance(value, bool)
        else "[]interface {}"
        if isinstance(value, list)
        else "map[string]interface {}"
    )
