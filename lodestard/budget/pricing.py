"""What tokens cost.

Law: one rounding, upwards, at the end; so a cost is never less than what was used, and never more than one nano-USD
above it. Each token is priced once, at the rate of the narrowest kind that has one. What has no rate has no cost: the
answer is None, and the caller charges the worst case.
"""

from collections.abc import Iterator

from lodestard.domain.bill import Bill, BillLine
from lodestard.domain.money import PICO_PER_NANO
from lodestard.domain.price import USUAL_TIERS, Price, Rates, ServiceTier
from lodestard.domain.usage import Usage


def cost_nano_usd(usage: Usage, price: Price) -> int | None:
    """What ``usage`` costs under ``price``, in nano-USD; None where the price does not say.

    What the provider itself says it billed wins. That is the whole of it for a price of input, output and cache; all
    else is added up by ``itemise``, which gives the same sum.
    """
    if usage.billed_nano_usd is not None:
        return max(0, usage.billed_nano_usd)
    rates: Rates = price
    if price.tiers or usage.service_tier:
        found = _find_rates(usage, price)
        if found is None:
            return None
        rates = found[2]
    if rates.reasoning_pico_usd is not None or _is_rare(usage):
        bill = itemise(usage, price)
        return None if bill is None else bill.nano_usd
    cached, written = max(0, usage.cached_tokens), max(0, usage.cache_write_tokens)
    input_rate, read, write = rates.input_pico_usd, rates.cache_read_pico_usd, rates.cache_write_pico_usd
    pico = max(0, usage.prompt_tokens - cached - written) * input_rate
    pico += cached * (input_rate if read is None else read)
    pico += written * (input_rate if write is None else write)
    pico += max(0, usage.completion_tokens) * rates.output_pico_usd
    return round_up(pico) + price.request_nano_usd


def itemise(usage: Usage, price: Price) -> Bill | None:
    """The same, line by line; None where the price does not say what some of it costs."""
    found = _find_rates(usage, price)
    if found is None:
        return None
    service, above, rates = found
    if (usage.audio_prompt_tokens > 0 and rates.audio_input_pico_usd is None) or (
        usage.audio_completion_tokens > 0 and rates.audio_output_pico_usd is None
    ):
        return None  # they cost many times what text does
    lines = tuple(line for line in (*_input_lines(usage, rates), *_output_lines(usage, rates)) if line.tokens > 0)
    pico = sum([line.pico_usd for line in lines])
    return Bill(
        lines=lines,
        request_nano_usd=price.request_nano_usd,
        pico_usd=pico + price.request_nano_usd * PICO_PER_NANO,
        nano_usd=round_up(pico) + price.request_nano_usd,
        above_prompt_tokens=above,
        service_tier=service,
        billed_nano_usd=usage.billed_nano_usd,
    )


def round_up(pico_usd: int) -> int:
    """pico-USD → nano-USD."""
    return -(-pico_usd // PICO_PER_NANO)


def _is_rare(usage: Usage) -> bool:
    return bool(
        usage.cache_write_1h_tokens
        or usage.audio_prompt_tokens
        or usage.audio_completion_tokens
        or usage.image_prompt_tokens
        or usage.image_completion_tokens
    )


def _find_rates(usage: Usage, price: Price) -> tuple[str, int | None, Rates] | None:
    """The service tier and the tier that fire, with their rates."""
    served = find_service(price, usage.service_tier)
    if served is None and usage.service_tier and usage.service_tier not in USUAL_TIERS:
        return None
    name = "" if served is None else served.name
    tiers = price.tiers if served is None else served.tiers
    for tier in reversed(tiers):
        if usage.prompt_tokens > tier.above_prompt_tokens:
            return name, tier.above_prompt_tokens, tier.rates
    return name, None, price if served is None else served.rates


def find_service(price: Price, name: str) -> ServiceTier | None:
    """What ``price`` says of requests that are served as ``name``."""
    for service in price.service_tiers:
        if service.name == name:
            return service
    return None


def _input_lines(usage: Usage, rates: Rates) -> Iterator[BillLine]:
    cached, written = max(0, usage.cached_tokens), max(0, usage.cache_write_tokens)
    audio, images = max(0, usage.audio_prompt_tokens), max(0, usage.image_prompt_tokens)
    cached_audio, cached_images = max(0, usage.audio_cached_tokens), max(0, usage.image_cached_tokens)
    written_1h = max(0, usage.cache_write_1h_tokens)
    of_kind = max(0, audio - cached_audio) + max(0, images - cached_images)
    image_rate = _first(rates.image_input_pico_usd, rates.input_pico_usd)
    audio_rate = _first(rates.audio_input_pico_usd, rates.input_pico_usd)
    write_rate = _first(rates.cache_write_pico_usd, rates.input_pico_usd)
    yield BillLine("input", usage.prompt_tokens - cached - written - of_kind, rates.input_pico_usd)
    yield BillLine(
        "cached input", cached - cached_audio - cached_images, _first(rates.cache_read_pico_usd, rates.input_pico_usd)
    )
    yield BillLine("cache write", written - written_1h, write_rate)
    yield BillLine("cache write, 1 hour", written_1h, _first(rates.cache_write_1h_pico_usd, write_rate))
    yield BillLine("audio input", audio - cached_audio, audio_rate)
    yield BillLine(
        "cached audio",
        cached_audio,
        _narrower(rates.audio_cache_read_pico_usd, rates.audio_input_pico_usd, rates),
    )
    yield BillLine("image input", images - cached_images, image_rate)
    yield BillLine(
        "cached images",
        cached_images,
        _narrower(rates.image_cache_read_pico_usd, rates.image_input_pico_usd, rates),
    )


def _output_lines(usage: Usage, rates: Rates) -> Iterator[BillLine]:
    audio, images = max(0, usage.audio_completion_tokens), max(0, usage.image_completion_tokens)
    reasoning = 0 if rates.reasoning_pico_usd is None else max(0, usage.reasoning_tokens)
    output = rates.output_pico_usd
    yield BillLine("output", usage.completion_tokens - audio - images - reasoning, output)
    yield BillLine("reasoning", reasoning, _first(rates.reasoning_pico_usd, output))
    yield BillLine("audio output", audio, _first(rates.audio_output_pico_usd, output))
    yield BillLine("image output", images, _first(rates.image_output_pico_usd, output))


def _first(own: int | None, wider: int) -> int:
    return wider if own is None else own


def _narrower(own: int | None, of_kind: int | None, rates: Rates) -> int:
    """The rate of cached tokens of a kind: their own, or the dearer one of the two kinds that they are of."""
    if own is not None:
        return own
    known = [rate for rate in (of_kind, rates.cache_read_pico_usd) if rate is not None]
    return max(known, default=rates.input_pico_usd)
