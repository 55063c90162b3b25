"""Usage as OpenAI and its likes report it → the house's one meaning.

Law: figures that can't be right are no figures (the attempt is then charged at its hold), and no reading comes
out lower than what the provider counts. Sources: OpenAI's "chat completion object"; docs.x.ai, "Cost tracking";
OpenRouter's "Usage accounting"; DeepSeek's "Context caching".
"""

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from lodestard.domain.money import MAX_NANO_USD, parse_nano_usd
from lodestard.domain.usage import Usage

TICKS_PER_NANO_USD = 10
"""xAI's ticks: 10¹⁰ are one US dollar."""

_Count = Annotated[int, Meta(ge=0, le=10**10)]
_ABSENT = msgspec.Raw()
_NUMBER = re.compile(rb"\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?")


class _PromptDetails(msgspec.Struct, frozen=True):
    cached_tokens: _Count | None = None
    cache_write_tokens: _Count | None = None
    audio_tokens: _Count | None = None


class _CompletionDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: _Count | None = None
    audio_tokens: _Count | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: _Count
    completion_tokens: _Count
    total_tokens: _Count | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: _Count | None = None
    cost_in_usd_ticks: msgspec.Raw = _ABSENT
    cost: msgspec.Raw = _ABSENT


_decoder = msgspec.json.Decoder(_Usage)
_NO_PROMPT_DETAILS = _PromptDetails()
_NO_COMPLETION_DETAILS = _CompletionDetails()


def read_usage(raw: msgspec.Raw) -> Usage | None:
    """A ``usage`` member → usage, or None where there is none or it makes no sense. Never raises."""
    text = bytes(raw)
    if text in (b"", b"null"):
        return None
    try:
        said = _decoder.decode(text)
    except (ValueError, RecursionError):
        return None
    prompts = said.prompt_tokens_details or _NO_PROMPT_DETAILS
    cached = prompts.cached_tokens or said.prompt_cache_hit_tokens or 0
    written = prompts.cache_write_tokens or 0
    prompt = said.prompt_tokens
    if cached + written > prompt:  # counted beside the prompt
        prompt += cached + written
    completions = said.completion_tokens_details or _NO_COMPLETION_DETAILS
    reasoning, billed = completions.reasoning_tokens or 0, _billed(said)
    if billed is None and (prompts.audio_tokens or completions.audio_tokens):
        return None  # they cost many times what text does, and no price says how much
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=_completion(said, reasoning),
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        billed_nano_usd=billed,
    )


def _completion(said: _Usage, reasoning: int) -> int:
    """Output with reasoning: xAI counts it beside, and Gemini shows it in the total alone."""
    completion = said.completion_tokens
    if said.total_tokens is not None and said.total_tokens > said.prompt_tokens + completion:
        completion = said.total_tokens - said.prompt_tokens
    elif said.total_tokens is None and bytes(said.cost_in_usd_ticks):
        completion += reasoning
    return completion if completion >= reasoning else completion + reasoning


def _billed(said: _Usage) -> int | None:
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


def larger(known: Usage | None, new: Usage) -> Usage:
    """Two reports of one answer → the larger figure of each kind.

    Reports are running totals, so the last is mostly the largest; a server that ends with a lower or an empty
    one must not make an answer cheaper than what it had already counted.
    """
    if known is None:
        return new
    bills = [bill for bill in (known.billed_nano_usd, new.billed_nano_usd) if bill is not None]
    return Usage(
        prompt_tokens=max(known.prompt_tokens, new.prompt_tokens),
        completion_tokens=max(known.completion_tokens, new.completion_tokens),
        cached_tokens=max(known.cached_tokens, new.cached_tokens),
        cache_write_tokens=max(known.cache_write_tokens, new.cache_write_tokens),
        reasoning_tokens=max(known.reasoning_tokens, new.reasoning_tokens),
        billed_nano_usd=max(bills) if bills else None,
    )
