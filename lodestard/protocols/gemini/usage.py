"""Usage as Gemini reports it → the house's one meaning.

Law: figures that can't be right are no figures (the attempt is then charged at its hold), and no reading comes out
lower than what the provider counts: what a tool put into the prompt is prompt, what was thought is output.
Sources: Google's API reference, "UsageMetadata"; types of google-genai 3.6; genai-prices' extractor for Google.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from lodestard.domain.usage import Usage

_Count = Annotated[int, Meta(ge=0, le=10**10)]
_PLAIN_TIERS = frozenset(("", "standard", "unspecified", "default"))
_PICTURES = ("IMAGE", "DOCUMENT")  # of a document each page is billed as a picture
_MOST_TIER_CHARS = 64


class _Detail(msgspec.Struct, frozen=True, rename="camel"):
    modality: str = ""
    token_count: _Count = 0


_Details = list[_Detail] | None


class _Meter(msgspec.Struct, frozen=True, rename="camel"):
    prompt_token_count: _Count | None = None
    cached_content_token_count: _Count | None = None
    candidates_token_count: _Count | None = None
    thoughts_token_count: _Count | None = None
    tool_use_prompt_token_count: _Count | None = None
    total_token_count: _Count | None = None
    prompt_tokens_details: _Details = None
    cache_tokens_details: _Details = None
    candidates_tokens_details: _Details = None
    tool_use_prompt_tokens_details: _Details = None
    service_tier: str | None = None


_meter = msgspec.json.Decoder(_Meter)


def read_usage(raw: msgspec.Raw) -> Usage | None:
    """A ``usageMetadata`` member → usage, or None where there is none or it makes no sense. Never raises."""
    try:
        said = _meter.decode(raw)
    except (ValueError, RecursionError):
        return None
    if not said.prompt_token_count:
        return None
    prompt = said.prompt_token_count + (said.tool_use_prompt_token_count or 0)
    cached, thought = said.cached_content_token_count or 0, said.thoughts_token_count or 0
    completion = max((said.candidates_token_count or 0) + thought, (said.total_token_count or 0) - prompt)
    brought = (*(said.prompt_tokens_details or ()), *(said.tool_use_prompt_tokens_details or ()))
    audio, images = _sum(brought, ("AUDIO",)), _sum(brought, _PICTURES)
    spoken, drawn = _sum(said.candidates_tokens_details, ("AUDIO",)), _sum(said.candidates_tokens_details, _PICTURES)
    if max(cached, audio + images) > prompt:  # counted beside the prompt
        prompt += max(cached, audio + images)
    if spoken + drawn + thought > completion:
        completion += spoken + drawn
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached,
        reasoning_tokens=thought,
        audio_prompt_tokens=audio,
        audio_cached_tokens=min(_sum(said.cache_tokens_details, ("AUDIO",)), audio, cached),
        audio_completion_tokens=spoken,
        image_prompt_tokens=images,
        image_cached_tokens=min(_sum(said.cache_tokens_details, _PICTURES), images, cached),
        image_completion_tokens=drawn,
        service_tier=_tier(said.service_tier or ""),
    )


def _sum(details: Sequence[_Detail] | None, kinds: Sequence[str]) -> int:
    return sum(detail.token_count for detail in details or () if detail.modality.upper() in kinds)


def _tier(said: str) -> str:
    """How it was served, empty for the usual way. A name that makes no sense is no name that a price knows."""
    name = said.lower()
    if name in _PLAIN_TIERS:
        return ""
    return name if name.isascii() and name.isalnum() and len(name) <= _MOST_TIER_CHARS else "unreadable"
