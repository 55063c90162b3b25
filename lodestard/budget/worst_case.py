"""The most that a request can cost, before it is sent.

Law: never less than any bill for the same request can be. A byte-level tokenizer makes at most one token of a byte,
so the body's size bounds its text; what is not text needs a bound of its own (``Bounds``). All input is held at the
dearest rate that some of it may be billed at, and so is all output: over the tiers that the prompt's bound reaches
and the service tiers that the request may be served at. A request that asks for no dearer service is held at the
usual rates: an account whose own setting is a dearer one must say so in each request.
"""

from collections.abc import Iterator
from types import UnionType

import msgspec

from lodestard.budget.pricing import round_up
from lodestard.domain.price import USUAL_TIERS, Price, Rates, Tier
from lodestard.domain.request import TOKENS, ImagePart, OtherPart, Part, Request, TextPart

_DOCUMENTS = frozenset({"document", "file", "input_file", "web_fetch_tool_result"})
_OWN_TOOLS = ("function", "custom")  # described in the body
PROJECT_TIER = "priority"  # what a project at OpenAI may have set for requests that name no tier


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What can't be read off a request's size.

    ``overhead_tokens``: what a provider adds itself (chat template, tool instructions; Anthropic documents up to 700
    for tools). ``image_tokens``: for each image. OpenAI bills gpt-4o-mini 2,833 + 5,667 for each of up to 8 tiles,
    48,169 together (platform.openai.com/docs/guides/images-vision); the other providers bill far less.
    ``part_tokens``: for each part that is neither text nor image. ``context_tokens``: what a prompt with a document
    in it is at the most, where the model's context is not known: a PDF's pages are billed as text and as images, and
    of compressed ones a few kilobytes hold hundreds (Anthropic's "PDF support"). ``tool_tokens``: for each tool that
    the provider itself describes to the model (Anthropic's computer, browser, editor). ``output_tokens``: the
    answer's length where neither request nor price names a limit; the longest that any model of the price list can
    write.
    """

    overhead_tokens: int = 1_024
    image_tokens: int = 50_000
    part_tokens: int = 50_000
    context_tokens: int = 1_000_000
    tool_tokens: int = 8_192
    output_tokens: int = 131_072


DEFAULT_BOUNDS = Bounds()


class WorstCase(msgspec.Struct, frozen=True, gc=False):
    """Upper bounds of what will be billed."""

    prompt_tokens: int
    completion_tokens: int
    nano_usd: int


class Ceiling(msgspec.Struct, frozen=True, gc=False):
    """All that bounds the cost of one request under one price, read off both once; the output limit may vary.

    ``limit_tokens`` is the request's own, or what stands for it; ``beside_tokens`` are billed beside any limit.
    """

    prompt_tokens: int
    limit_tokens: int
    beside_tokens: int
    choices: int
    input_pico_usd: int
    output_pico_usd: int
    request_nano_usd: int

    def at(self, limit_tokens: int) -> WorstCase:
        """The worst case, did the request name this output limit."""
        completion_tokens = (limit_tokens + self.beside_tokens) * self.choices
        pico = self.prompt_tokens * self.input_pico_usd + completion_tokens * self.output_pico_usd
        return WorstCase(self.prompt_tokens, completion_tokens, round_up(pico) + self.request_nano_usd)


def worst_case(request: Request, price: Price, bounds: Bounds = DEFAULT_BOUNDS) -> WorstCase:
    """The most that ``request`` can cost under ``price``: its input at the dearest input rate, its whole output."""
    ceiling = find_ceiling(request, price, bounds)
    return ceiling.at(ceiling.limit_tokens)


def find_ceiling(request: Request, price: Price, bounds: Bounds = DEFAULT_BOUNDS) -> Ceiling:
    """What bounds the cost of ``request`` under ``price``."""
    prompt_tokens = _prompt_bound(request, price, bounds)
    dearest_input, dearest_output = _dearest_input(price, request), _dearest_output(price, request)
    if price.tiers or price.service_tiers:
        for rates in _reachable(request, price, prompt_tokens):
            dearest_input = max(dearest_input, _dearest_input(rates, request))
            dearest_output = max(dearest_output, _dearest_output(rates, request))
    conversation, prediction = request.conversation, request.members.get("prediction")
    limit = conversation.sampling.max_output_tokens
    if limit is None:
        limit = price.max_output_tokens or bounds.output_tokens
    if conversation.embedding is not None:  # nothing is written: a vector is no output
        return Ceiling(prompt_tokens, 0, 0, 1, dearest_input, dearest_output, price.request_nano_usd)
    predicted = 0 if prediction is None else len(bytes(prediction))  # what of it is rejected is billed as output
    return Ceiling(
        prompt_tokens,
        max(0, limit),
        predicted + (price.max_reasoning_tokens or 0),
        max(1, conversation.n),
        dearest_input,
        dearest_output,
        price.request_nano_usd,
    )


def _prompt_bound(request: Request, price: Price, bounds: Bounds) -> int:
    """Inline images count by their own bound instead of by their base64."""
    tokens, least = request.size_bytes + bounds.overhead_tokens, bounds.overhead_tokens
    for message in request.conversation.messages:
        for part in message.parts:
            if type(part) is TextPart:
                continue
            if isinstance(part, ImagePart):
                tokens += bounds.image_tokens - len(part.data)
            elif isinstance(part, OtherPart) and part.kind != TOKENS:
                tokens += bounds.part_tokens
                if part.kind in _DOCUMENTS:
                    least = _context_of(price, bounds)
    for tool in request.conversation.tools:
        if tool.kind not in _OWN_TOOLS:
            tokens += bounds.tool_tokens
    return max(least, tokens)


def _context_of(price: Price, bounds: Bounds) -> int:
    """A longer prompt is refused. Where a dearer tier begins at the end of what is said of it, it is longer."""
    known = price.context_tokens or 0
    longer = any(tier.above_prompt_tokens >= known for tier in price.tiers)
    return bounds.context_tokens if longer or not known else known


def _reachable(request: Request, price: Price, prompt_tokens: int) -> Iterator[Rates]:
    """The rates that it may be billed at: those without a tier, and those of each tier that it may come into."""
    yield from _up_to(price, price.tiers, prompt_tokens)
    said = [msgspec.json.decode(bytes(request.members.get(name, b"null"))) for name in ("service_tier", "speed")]
    unsaid = (PROJECT_TIER,) if said[0] is None else ()
    for service in price.service_tiers:
        reached = service.name in (*said, *unsaid) or service.name in USUAL_TIERS or "=" in service.name
        if reached or "auto" in said:
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
    for rate in (rates.audio_input_pico_usd, rates.audio_cache_read_pico_usd):
        if rate is not None and rate > most and _brings(request, OtherPart):
            most = rate
    for rate in (rates.image_input_pico_usd, rates.image_cache_read_pico_usd):
        if rate is not None and rate > most and _brings(request, ImagePart | OtherPart):
            most = rate
    return most


def _dearest_output(rates: Rates, request: Request) -> int:
    most = rates.output_pico_usd
    for rate in (rates.reasoning_pico_usd, rates.image_output_pico_usd):
        if rate is not None and rate > most:
            most = rate
    audio = rates.audio_output_pico_usd
    if audio is not None and audio > most and "modalities" in request.members:
        most = audio
    return most


def _brings(request: Request, kind: type[Part] | UnionType) -> bool:
    return any(isinstance(part, kind) for message in request.conversation.messages for part in message.parts)
