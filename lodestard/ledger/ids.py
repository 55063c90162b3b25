"""Request ids: ``req_`` and 24 characters that sort by time.

Law: later ids are greater, also within a millisecond and when the clock is stepped back.
"""

from collections.abc import Callable

_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_PAIRS = tuple(a + b for a in _DIGITS for b in _DIGITS)
_RANDOM_BYTES = 9
_RANDOM_BITS = _RANDOM_BYTES * 8
_HALF_BITS = 60
_HALF_MASK = (1 << _HALF_BITS) - 1


class RequestIds:
    """Makes ids of 48 bits of milliseconds and 72 random bits, in base32 (RFC 4648's "extended hex", lower case)."""

    __slots__ = ("_entropy", "_last")

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._last = 0

    def next_id(self, now_ms: int) -> str:
        """A new id for something that happened at ``now_ms``."""
        value = now_ms << _RANDOM_BITS | int.from_bytes(self._entropy(_RANDOM_BYTES), "big")
        if value <= self._last:
            value = self._last + 1 + int.from_bytes(self._entropy(4), "big")
        self._last = value
        high, low = value >> _HALF_BITS, value & _HALF_MASK
        return f"req_{_write_half(high)}{_write_half(low)}"


def _write_half(bits: int) -> str:
    """60 bits: twelve digits."""
    return (
        f"{_PAIRS[bits >> 50]}{_PAIRS[bits >> 40 & 1023]}{_PAIRS[bits >> 30 & 1023]}"
        f"{_PAIRS[bits >> 20 & 1023]}{_PAIRS[bits >> 10 & 1023]}{_PAIRS[bits & 1023]}"
    )
