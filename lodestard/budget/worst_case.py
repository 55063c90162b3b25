"""The most that a request can cost, before it is sent.

Law: never less than any bill for the same request can be. A byte-level tokenizer makes at most one token of a byte,
so the body's size bounds its text; what is not text needs a bound of its own (``Bounds``). All input is held at the
dearest rate that some of it may be billed at, and so is all output: over the tiers that the prompt's bound reaches
and the service tiers that the request may be served at. A request that asks for no dearer service is held at the
usual rates: an account whose own setting is a dearer one must say so in each request.
"""

from collections.abc import Iterable, Iterator
from types import UnionType

import msgspec

from lodestard.budget.pricing import round_up
from lodestard.domain.price import USUAL_TIERS, Price, Rates, Tier
from lodestard.domain.request import ImagePart, OtherPart, Part, Request


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What can't be read off a request's size.

    ``overhead_tokens``: what a provider adds itself (chat template, tool instructions; Anthropic documents up to 700
    for tools). ``image_tokens``: for each image. OpenAI bills gpt-4o-mini 2,833 + 5,667 for each of up to 8 tiles,
    48,169 together (platform.openai.com/docs/guides/images-vision); the other providers bill far less.
    ``part_tokens``: for each part that is neither text nor image. ``output_tokens``: the answer's length where
    neither request nor price names a limit; the longest that any model of the price list can write.
    """

    overhead_tokens: int = 1_024
    image_tokens: int = 50_000
    part_tokens: int = 50_000
    output_tokens: int = 131_072


DEFAULT_BOUNDS = Bounds()


class WorstCase(msgspec.Struct, frozen=True, kw_only=True):
    """Upper bounds of what will be billed."""

    prompt_tokens: int
    completion_tokens: int
    nano_usd: int


def worst_case(request: Request, price: Price, bounds: Bounds = DEFAULT_BOUNDS) -> WorstCase:
    """The most that ``request`` can cost under ``price``: its input at the dearest input rate, its whole output."""
    prompt_tokens = _prompt_bound(request, bounds)
    completion_tokens = _completion_bound(request, price, bounds)
    if price.tiers or price.service_tiers:
        reached: Iterable[Rates] = _reachable(request, price, prompt_tokens)
    else:
        reached = (price,)
    dearest_input = dearest_output = 0
    for rates in reached:
        dearest_input = max(dearest_input, _dearest_input(rates, request))
        dearest_output = max(dearest_output, _dearest_output(rates, request))
    pico = prompt_tokens * dearest_input + completion_tokens * dearest_output
    return WorstCase(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        nano_usd=round_up(pico) + price.request_nano_usd,
    )


def _prompt_bound(request: Request, bounds: Bounds) -> int:
    """Inline images count by their own bound instead of by their base64."""
    tokens = request.size_bytes + bounds.overhead_tokens
    for message in request.conversation.messages:
        for part in message.parts:
            if isinstance(part, ImagePart):
                tokens += bounds.image_tokens - len(part.data)
            elif isinstance(part, OtherPart):
                tokens += bounds.part_tokens
    return max(tokens, bounds.overhead_tokens)


def _completion_bound(request: Request, price: Price, bounds: Bounds) -> int:
    limit = request.conversation.sampling.max_output_tokens
    if limit is None:
        limit = price.max_output_tokens or bounds.output_tokens
    predicted = len(bytes(request.members.get("prediction", b"")))  # what of it is rejected is billed as output
    beside = price.max_reasoning_tokens or 0
    return (max(0, limit) + predicted + beside) * max(1, request.conversation.n)


def _reachable(request: Request, price: Price, prompt_tokens: int) -> Iterator[Rates]:
    """The rates that it may be billed at: those without a tier, and those of each tier that it may come into."""
    yield from _up_to(price, price.tiers, prompt_tokens)
    asked = [msgspec.json.decode(bytes(request.members.get(name, b"null"))) for name in ("service_tier", "speed")]
    for service in price.service_tiers:
        if service.name in asked or "auto" in asked or service.name in USUAL_TIERS or "=" in service.name:
            yield from _up_to(service.rates, service.tiers, prompt_tokens)


def _up_to(rates: Rates, tiers: tuple[Tier, ...], prompt_tokens: int) -> Iterator[Rates]:
    yield rates
    for tier in tiers:
        if prompt_tokens > tier.above_prompt_tokens:
            yield tier.rates


def _dearest_input(rates: Rates, request: Request) -> int:
    """Audio and images count where some of the input may be billed as such."""
    most = rates.input_pico_usd
    for rate in (rates.cache_read_pico_usd, rates.cache_write_pico_usd, rates.cache_write_1h_pico_usd):
        if rate is not None and rate > most:
            most = rate
    audio = max(rates.audio_input_pico_usd or 0, rates.audio_cache_read_pico_usd or 0)
    if audio > most and _brings(request, OtherPart):
        most = audio
    image = max(rates.image_input_pico_usd or 0, rates.image_cache_read_pico_usd or 0)
    if image > most and _brings(request, ImagePart | OtherPart):
        most = image
    return most


def _dearest_output(rates: Rates, request: Request) -> int:
    most = max(rates.output_pico_usd, rates.reasoning_pico_usd or 0, rates.image_output_pico_usd or 0)
    if rates.audio_output_pico_usd is not None and "modalities" in request.members:
        most = max(most, rates.audio_output_pico_usd)
    return most


def _brings(request: Request, kind: type[Part] | UnionType) -> bool:
    return any(isinstance(part, kind) for message in request.conversation.messages for part in message.parts)
