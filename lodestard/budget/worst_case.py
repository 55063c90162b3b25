"""The most that a request can cost, before it is sent.

Law: never less than any bill for the same request can be. A byte-level tokenizer makes at most one token of a byte,
so the body's size bounds its text; what is not text needs a bound of its own (``Bounds``).
"""

import msgspec

from lodestard.budget.pricing import round_up
from lodestard.domain.price import Price
from lodestard.domain.request import ImagePart, OtherPart, Request


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
    pico = prompt_tokens * _dearest_input(price) + completion_tokens * price.output_pico_usd
    return WorstCase(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens, nano_usd=round_up(pico))


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
    return (max(0, limit) + predicted) * max(1, request.conversation.n)


def _dearest_input(price: Price) -> int:
    return max(price.input_pico_usd, price.cache_read_pico_usd or 0, price.cache_write_pico_usd or 0)
