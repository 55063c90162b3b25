"""What tokens cost.

Law: one rounding, upwards, at the end; so a cost is never less than what was used, and never more than one nano-USD
above it.
"""

from lodestard.domain.money import PICO_PER_NANO
from lodestard.domain.price import Price
from lodestard.domain.usage import Usage


def cost_nano_usd(usage: Usage, price: Price) -> int:
    """What ``usage`` costs under ``price``, in nano-USD.

    What the provider itself says it billed wins. Cached and cache-write tokens without a rate of their own cost the
    input rate.
    """
    if usage.billed_nano_usd is not None:
        return max(0, usage.billed_nano_usd)
    cached, written = max(0, usage.cached_tokens), max(0, usage.cache_write_tokens)
    plain = max(0, usage.prompt_tokens - cached - written)
    pico = plain * price.input_pico_usd
    pico += cached * _rate(price.cache_read_pico_usd, price)
    pico += written * _rate(price.cache_write_pico_usd, price)
    pico += max(0, usage.completion_tokens) * price.output_pico_usd
    return round_up(pico)


def round_up(pico_usd: int) -> int:
    """pico-USD → nano-USD."""
    return -(-pico_usd // PICO_PER_NANO)


def _rate(own: int | None, price: Price) -> int:
    return price.input_pico_usd if own is None else own
