"""Figures as words: money, durations, sizes, shares. Pure.

Law: money is exact: every digit of the integer is there, only zeros at the end are left out. What is not known is
a dash, never a zero.
"""

import time
from collections.abc import Sequence

from lodestard.control.messages import format_usd

UNKNOWN = "-"
MIN_PLACES = 2
NANO_DIGITS = 9
_SIZES = ("B", "KB", "MB", "GB", "TB")
_PICO_PER_USD_PER_MTOK = 1_000_000
ASCII = str.maketrans("█▉▊▋▌▍▎▏░─●○✓✗·…→°", "#####   .-*o+x.~> ")
"""Letters of ours → the nearest for a terminal or a file that has no others."""


def usd(amount_nano_usd: int | None) -> str:
    """``1_234_500`` → ``$0.0012345``, exactly; at least two decimals."""
    if amount_nano_usd is None:
        return UNKNOWN
    whole, _, decimals = format_usd(abs(amount_nano_usd)).partition(".")
    sign = "-" if amount_nano_usd < 0 else ""
    return f"{sign}${int(whole):,}.{decimals.rstrip('0'):0<{MIN_PLACES}}"


def usd_about(amount_nano_usd: int | None, *, up: bool = True) -> str:
    """For what is a guess anyway: to the cent, or three digits of less than a dollar; rounded up, or else down."""
    if amount_nano_usd is None:
        return UNKNOWN
    digits = len(str(abs(amount_nano_usd)))
    step = 10 ** (7 if digits > NANO_DIGITS else max(0, digits - 3))
    rounded = -(-amount_nano_usd // step) if up else amount_nano_usd // step
    return usd(rounded * step)


def rate(pico_usd: int | None) -> str:
    """pico-USD a token → US dollars per million tokens, exactly."""
    if pico_usd is None:
        return UNKNOWN
    whole, rest = divmod(pico_usd, _PICO_PER_USD_PER_MTOK)
    return f"${whole:,}." + f"{rest:06d}".rstrip("0").ljust(MIN_PLACES, "0")


def count(number: int | None) -> str:
    return UNKNOWN if number is None else f"{number:,}"


def about(number: int | None) -> str:
    """Exact up to four digits, three digits and a unit above: ``9,999``, ``81.2 k``, ``4.81 M``."""
    if number is None or abs(number) < 10_000:
        return count(number)
    value = float(number)
    for unit in ("k", "M", "G"):
        value /= 1000
        if abs(value) < 999.5 or unit == "G":
            break
    places = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{places}f} {unit}"


def share(part: int, whole: int) -> str:
    """``83.1 %``; a dash where there is nothing to share. Never rounded up to 100 %."""
    if whole <= 0:
        return UNKNOWN
    tenths = part * 1000 // whole
    return f"{tenths // 10}.{tenths % 10} %"


def size(number_bytes: int) -> str:
    """``16_000_000`` → ``16.0 MB`` (powers of ten)."""
    value = float(number_bytes)
    for unit in _SIZES[:-1]:
        if value < 999.95:  # what would be written as 1000.0
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} {_SIZES[-1]}"


def per_mille(value: int | None) -> str:
    """``142`` → ``14.2 %``."""
    return UNKNOWN if value is None else f"{value // 10:,}.{value % 10} %"


def millis(value_ms: float | None) -> str:
    """``4 ms``, ``1.2 s``, ``3 min 5 s``; ``<1 ms`` for a whole number of none."""
    if value_ms is None:
        return UNKNOWN
    if value_ms == 0:
        return "<1 ms"
    if value_ms < 1:
        return f"{value_ms:.1f} ms"
    if value_ms < 999.5:  # what would be written as 1000 ms
        return f"{value_ms:.0f} ms"
    if value_ms < 59_950:  # what would be written as 60.0 s
        return f"{value_ms / 1000:.1f} s"
    return span(value_ms / 1000)


def span(value_s: float) -> str:
    """A duration by its two largest units: ``3 d 4 h``, ``12 min 8 s``, ``5 s``."""
    seconds = int(value_s)
    parts: list[tuple[int, str]] = []
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        number, seconds = divmod(seconds, length_s)
        if number or parts or unit == "s":
            parts.append((number, unit))
    return " ".join(f"{number} {unit}" for number, unit in parts[:2] if number or len(parts) == 1)


def moment(instant_ms: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """UTC milliseconds → this machine's local time."""
    return time.strftime(form, time.localtime(instant_ms / 1000))


def plural(number: int, one: str, many: str = "") -> str:
    """``1 request``, ``2 requests``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def clean(text: str, *, keep: str = "") -> str:
    """Without control bytes, which could drive the terminal. Those in ``keep`` stay."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else "�" for char in text)


def clip(text: str, width: int) -> str:
    """At most ``width`` columns, with an ellipsis where something is missing."""
    if columns_of(text) <= width:
        return text
    kept = text[: max(0, width - 1)]
    while columns_of(kept) > max(0, width - 1):
        kept = kept[:-1]
    return kept + "…"


def columns_of(text: str) -> int:
    """How many columns of a terminal ``text`` takes: Chinese, Japanese and Korean letters take two, marks none."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def set_left(text: str, width: int) -> str:
    return text + " " * (width - columns_of(text))


def set_right(text: str, width: int) -> str:
    return " " * (width - columns_of(text)) + text


def align_decimals(texts: Sequence[str]) -> list[str]:
    """Pad on the right so that the decimal points stand in one column once all are set flush right."""
    tails = [len(text) - text.index(".") if "." in text else 0 for text in texts]
    longest = max(tails, default=0)
    return [text + " " * (longest - tail) for text, tail in zip(texts, tails, strict=True)]
