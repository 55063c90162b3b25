"""Money, in integers: nano-USD for amounts, pico-USD per token for prices.

Law: no float ever holds an amount. Text becomes an integer through ``Decimal`` only, and an amount that would
need rounding is rounded up: we never say that something cost less than it did. An unknown price is ``None``,
never zero.
"""

from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import NewType

NanoUsd = NewType("NanoUsd", int)
"""10⁻⁹ US dollars."""

PicoUsd = NewType("PicoUsd", int)
"""10⁻¹² US dollars; the unit of a price per token ($1 per million tokens = 1,000,000 pico-USD a token)."""

NANO_PER_USD = 1_000_000_000
PICO_PER_NANO = 1_000
PICO_PER_USD_PER_MTOK = 1_000_000
MAX_NANO_USD = 9_000_000_000 * NANO_PER_USD // 1_000  # nine million dollars: far inside SQLite's INTEGER


def parse_nano_usd(text: str | Decimal) -> NanoUsd:
    """US dollars written in decimal → nano-USD, rounded up.

    Raises ``ValueError`` for what is not a finite amount >= 0 below nine million dollars.
    """
    return NanoUsd(_scaled(text, NANO_PER_USD, MAX_NANO_USD))


def parse_price(text: str | Decimal) -> PicoUsd:
    """US dollars per million tokens → pico-USD per token, rounded up. Raises ``ValueError`` as above."""
    return PicoUsd(_scaled(text, PICO_PER_USD_PER_MTOK, 10**15))


def _scaled(text: str | Decimal, factor: int, limit: int) -> int:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"not an amount: {text!r}") from None
    if not value.is_finite() or value < 0:
        raise ValueError(f"not an amount >= 0: {text!r}")
    if value > limit:  # before the product: an exponent of 10⁶ would take the memory with it
        raise ValueError(f"larger than can be right: {text!r}")
    scaled = int((value * factor).to_integral_value(rounding=ROUND_CEILING))
    if scaled > limit:
        raise ValueError(f"larger than can be right: {text!r}")
    return scaled


def format_usd(amount: int, *, places: int = 9) -> str:
    """nano-USD → ``"0.001234500"``: exact at nine places, rounded up in magnitude at fewer."""
    if amount == 0 and places == 9:
        return "0.000000000"
    sign = "-" if amount < 0 else ""
    step = 10 ** (9 - places)
    units = -(-abs(amount) // step)
    whole, rest = divmod(units, 10**places)
    return f"{sign}{whole}.{rest:0{places}d}" if places else f"{sign}{whole}"
