"""How much a reply used, in the house's one meaning.

Providers disagree on what includes what; every reader in ``protocols/`` normalises to this: ``prompt_tokens``
includes cached ones, ``completion_tokens`` includes reasoning.
"""

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Tokens of one attempt, as the upstream counted them.

    ``cached_tokens`` and ``cache_write_tokens`` are parts of ``prompt_tokens``, and ``cache_write_1h_tokens`` of
    ``cache_write_tokens``; ``reasoning_tokens`` of ``completion_tokens``. ``audio_…`` and ``image_…`` count tokens of
    those kinds: parts of ``prompt_tokens``, of ``cached_tokens`` and of ``completion_tokens``. ``service_tier`` is
    how the provider says that it served the request (``flex``, ``priority`` …), empty where it says nothing.
    ``billed_nano_usd`` is what the provider itself says it charged, where it does.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    audio_prompt_tokens: int = 0
    audio_cached_tokens: int = 0
    audio_completion_tokens: int = 0
    image_prompt_tokens: int = 0
    image_cached_tokens: int = 0
    image_completion_tokens: int = 0
    service_tier: str = ""
    billed_nano_usd: int | None = None


_COUNTS = tuple(name for name in Usage.__struct_fields__ if name.endswith("_tokens"))


def larger(known: Usage | None, new: Usage | None) -> Usage | None:
    """Two reports of one answer → the larger figure of each kind.

    Reports are running totals, so the last is mostly the largest; a server that ends with a lower or an empty
    one must not make an answer cheaper than what it had already counted.
    """
    if known is None or new is None:
        return known if new is None else new
    bills = [bill for bill in (known.billed_nano_usd, new.billed_nano_usd) if bill is not None]
    largest = {name: max(getattr(known, name), getattr(new, name)) for name in _COUNTS}
    return Usage(
        **largest,
        service_tier=new.service_tier or known.service_tier,
        billed_nano_usd=max(bills) if bills else None,
    )


class Durations(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a local model's time went, in nanoseconds (Ollama's own figures)."""

    total_ns: int = 0
    load_ns: int = 0
    prefill_ns: int = 0
    decode_ns: int = 0
