"""How much a reply used, in the house's one meaning.

Providers disagree on what includes what; every reader in ``protocols/`` normalises to this: ``prompt_tokens``
includes cached ones, ``completion_tokens`` includes reasoning.
"""

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Tokens of one attempt, as the upstream counted them.

    ``cached_tokens`` and ``cache_write_tokens`` are parts of ``prompt_tokens``; ``reasoning_tokens`` of
    ``completion_tokens``. ``billed_nano_usd`` is what the provider itself says it charged, where it does.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    billed_nano_usd: int | None = None


class Durations(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a local model's time went, in nanoseconds (Ollama's own figures)."""

    total_ns: int = 0
    load_ns: int = 0
    prefill_ns: int = 0
    decode_ns: int = 0
