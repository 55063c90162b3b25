"""Usage as OpenAI and its likes report it → the house's one meaning.

Law: figures that can't be right are no figures (the attempt is then charged at its hold), and no reading comes
out lower than what the provider counts. Sources: OpenAI's "chat completion object"; docs.x.ai, "Cost tracking";
OpenRouter's "Usage accounting"; DeepSeek's "Context caching".
"""

import re
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from lodestard.domain.money import MAX_NANO_USD, parse_nano_usd
from lodestard.domain.usage import Usage

TICKS_PER_NANO_USD = 10
"""xAI's ticks: 10¹⁰ are one US dollar."""

Count = Annotated[int, Meta(ge=0, le=10**10)]
T = TypeVar("T")
_ABSENT = msgspec.Raw()
_PLAIN_TIERS = frozenset(("auto", "default", "standard", "on_demand"))
_TIER = re.compile(r"[A-Za-z0-9_./:-]{1,64}")
_NUMBER = re.compile(rb"\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?")


class _CachedDetails(msgspec.Struct, frozen=True):
    audio_tokens: Count | None = None
    image_tokens: Count | None = None


class PromptDetails(msgspec.Struct, frozen=True):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None
    cached_tokens_details: _CachedDetails | None = None


class CompletionDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None


class Counts(msgspec.Struct, frozen=True):
    """A ``usage`` member, as far as the house reads it."""

    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: Count | None = None
    cost_in_usd_ticks: msgspec.Raw = _ABSENT
    cost: msgspec.Raw = _ABSENT


_decoder = msgspec.json.Decoder(Counts)
_NO_PROMPT_DETAILS = PromptDetails()
_NO_COMPLETION_DETAILS = CompletionDetails()
_NO_CACHED_DETAILS = _CachedDetails()


def read_usage(raw: msgspec.Raw, service_tier: str = "") -> Usage | None:
    """A ``usage`` member → usage, or None where there is none or it makes no sense. Never raises.

    ``service_tier`` is how the answer says that it was served.
    """
    said = decode_counts(raw, _decoder)
    return None if said is None else usage_of(said, service_tier)


def decode_counts(raw: msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T | None:
    """A ``usage`` member as ``decoder`` reads it, or None."""
    text = bytes(raw)
    if text in (b"", b"null"):
        return None
    try:
        return decoder.decode(text)
    except (ValueError, RecursionError):
        return None


def usage_of(said: Counts, service_tier: str) -> Usage:
    """What was counted, in the house's meaning."""
    prompts = said.prompt_tokens_details or _NO_PROMPT_DETAILS
    cached = prompts.cached_tokens or said.prompt_cache_hit_tokens or 0
    written = prompts.cache_write_tokens or 0
    prompt = said.prompt_tokens
    if cached + written > prompt:  # counted beside the prompt
        prompt += cached + written
    audio, images = prompts.audio_tokens or 0, prompts.image_tokens or 0
    if audio + images > prompt:
        prompt += audio + images
    kept = prompts.cached_tokens_details or _NO_CACHED_DETAILS
    completions = said.completion_tokens_details or _NO_COMPLETION_DETAILS
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=_completion(said, completions),
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=completions.reasoning_tokens or 0,
        audio_prompt_tokens=audio,
        audio_cached_tokens=min(kept.audio_tokens or 0, audio, cached),
        audio_completion_tokens=completions.audio_tokens or 0,
        image_prompt_tokens=images,
        image_cached_tokens=min(kept.image_tokens or 0, images, cached),
        image_completion_tokens=completions.image_tokens or 0,
        service_tier=service_tier,
        billed_nano_usd=_billed(said),
    )


def read_tier(said: object) -> str:
    """A decoded ``service_tier`` → how the request was served, empty for the usual way.

    A name that makes no sense is no name that a price knows.
    """
    if said is None:
        return ""
    if not isinstance(said, str) or not _TIER.fullmatch(said):
        return "unreadable"
    return "" if said in _PLAIN_TIERS else said


def _completion(said: Counts, details: CompletionDetails) -> int:
    """Output with reasoning: xAI counts it beside, and Gemini shows it in the total alone."""
    completion, reasoning = said.completion_tokens, details.reasoning_tokens or 0
    if said.total_tokens is not None and said.total_tokens > said.prompt_tokens + completion:
        completion = said.total_tokens - said.prompt_tokens
    elif said.total_tokens is None and bytes(said.cost_in_usd_ticks):
        completion += reasoning
    parts = reasoning + (details.audio_tokens or 0) + (details.image_tokens or 0)
    return completion if completion >= parts else completion + parts


def _billed(said: Counts) -> int | None:
    """What the provider says that it charged. Nought says nothing: some write it for what they don't know."""
    if said.cost_in_usd_ticks is _ABSENT and said.cost is _ABSENT:
        return None
    ticks, cost = bytes(said.cost_in_usd_ticks), bytes(said.cost)
    if ticks.isdigit() and len(ticks) <= 24:
        billed = -(-int(ticks) // TICKS_PER_NANO_USD)
    elif len(cost) <= 64 and _NUMBER.fullmatch(cost):
        try:
            billed = parse_nano_usd(cost.decode())
        except ValueError:
            return None
    else:
        return None
    return billed if 0 < billed <= MAX_NANO_USD else None
