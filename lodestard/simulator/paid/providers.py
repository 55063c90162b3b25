"""Who the simulated paid providers are: their models, prices, keys, habits and limits, in frozen records.

Law: prices here are the provider's own, in pico-USD a token; whoever compares hands in the same figures.
"""

from collections.abc import Mapping

import msgspec

from lodestard.simulator.paid.meter import PriceRow


class PaidModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model for sale. ``reasoning_tokens``: what it thinks before each answer; 0: it does not reason. ``newer``: of
    Anthropic's generations that sample as they like and think without a budget.
    """

    name: str
    price: PriceRow
    context_tokens: int = 128_000
    output_tokens: int = 16_384
    reasoning_tokens: int = 0
    embedding_dimensions: int = 0
    newer: bool = False


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """Limits a minute. ``enforced``: whether going over is answered 429."""

    requests: int = 10_000
    tokens: int = 2_000_000
    enforced: bool = False


class Flavour(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider of OpenAI's shape differs from OpenAI."""

    errors: str = "openai"
    """openai: an object; gemini: an array of one; xai: ``code`` and ``error`` as texts."""
    bad_key_status: int = 401
    prefix: str = "/v1"
    reasoning_beside: bool = False
    """Reasoning tokens are billed beside ``completion_tokens``, not within."""
    shows_reasoning: bool = False
    cost_in_ticks: bool = False
    whole_calls: bool = False
    """Tool calls are streamed in one piece."""
    always_usage: bool = False
    signing: tuple[str, ...] = ()
    """How the names of models begin whose calls are signed, and whose signatures must come back."""

    def signs_calls(self, model: str) -> bool:
        return model.startswith(self.signing) if self.signing else False


class AdminHabits(msgspec.Struct, frozen=True, kw_only=True):
    """How its administration answers. ``key`` None: any that begins as an admin's key does.

    ``page_buckets``: days to a page at most. ``extra_cents``: what each day with traffic says beyond the truth.
    """

    key: str | None = None
    page_buckets: int = 180
    extra_cents: int = 0


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One paid provider. ``key`` None: any key, or none, is good. ``tokens_per_s`` None: no waiting."""

    name: str
    models: tuple[PaidModel, ...]
    key: str | None = None
    flavour: Flavour = Flavour()
    allowance: Allowance = Allowance()
    bills_whole_when_cut: bool = False
    first_byte_s: float = 0.0
    tokens_per_s: float | None = None
    image_tokens: int = 85
    admin: AdminHabits = AdminHabits()

    @property
    def token_s(self) -> float:
        return 1 / self.tokens_per_s if self.tokens_per_s else 0.0


def usd_per_million(prompt: str, completion: str, cached: str | None = None, write: str | None = None) -> PriceRow:
    """Prices as price lists print them (``"2.50"``), exactly. What is written for an hour costs as two inputs."""
    return PriceRow(
        prompt=_pico(prompt),
        completion=_pico(completion),
        cached=_pico(cached or prompt),
        cache_write=_pico(write or prompt),
        cache_write_1h=2 * _pico(prompt) if write else 0,
    )


def _pico(usd_a_million: str) -> int:
    whole, _, fraction = usd_a_million.partition(".")
    return int(whole) * 10**6 + int(fraction.ljust(6, "0")[:6] or "0")


OPENAI = Provider(
    name="openai",
    models=(
        PaidModel(name="gpt-4o-mini", price=usd_per_million("0.15", "0.60", "0.075")),
        PaidModel(name="gpt-4o", price=usd_per_million("2.50", "10.00", "1.25")),
        PaidModel(
            name="o4-mini",
            price=usd_per_million("1.10", "4.40", "0.275"),
            context_tokens=200_000,
            output_tokens=100_000,
            reasoning_tokens=64,
        ),
        PaidModel(name="gpt-3.5-turbo-instruct", price=usd_per_million("1.50", "2.00"), context_tokens=4096),
        PaidModel(
            name="text-embedding-3-small",
            price=usd_per_million("0.02", "0"),
            context_tokens=8192,
            embedding_dimensions=1536,
        ),
    ),
)
XAI = Provider(
    name="xai",
    flavour=Flavour(
        errors="xai",
        bad_key_status=400,
        reasoning_beside=True,
        shows_reasoning=True,
        cost_in_ticks=True,
        always_usage=True,
    ),
    models=(
        PaidModel(name="grok-beta", price=usd_per_million("5.00", "15.00"), context_tokens=131_072),
        PaidModel(
            name="grok-3-mini",
            price=usd_per_million("0.30", "0.50", "0.075"),
            context_tokens=131_072,
            reasoning_tokens=48,
        ),
    ),
)
GEMINI = Provider(
    name="gemini",
    flavour=Flavour(
        errors="gemini",
        bad_key_status=400,
        prefix="/v1beta/openai",
        whole_calls=True,
        signing=("gemini-3", "gemini-4"),
    ),
    bills_whole_when_cut=True,
    models=(
        PaidModel(
            name="gemini-1.5-flash", price=usd_per_million("0.075", "0.30", "0.01875"), context_tokens=1_048_576
        ),
        PaidModel(
            name="gemini-2.5-flash",
            price=usd_per_million("0.30", "2.50", "0.03"),
            context_tokens=1_048_576,
            output_tokens=65_536,
            reasoning_tokens=24,
        ),
        PaidModel(
            name="gemini-3-flash-preview",
            price=usd_per_million("0.50", "3.00", "0.05"),
            context_tokens=1_048_576,
            output_tokens=65_536,
            reasoning_tokens=40,
        ),
        PaidModel(
            name="gemini-embedding-001",
            price=usd_per_million("0.15", "0"),
            context_tokens=2_048,
            embedding_dimensions=3_072,
        ),
    ),
)
ANTHROPIC = Provider(
    name="anthropic",
    models=(
        PaidModel(
            name="claude-sonnet-4-5-20250929",
            price=usd_per_million("3.00", "15.00", "0.30", "3.75"),
            context_tokens=200_000,
            output_tokens=64_000,
        ),
        PaidModel(
            name="claude-opus-4-5-20251101",
            price=usd_per_million("5.00", "25.00", "0.50", "6.25"),
            context_tokens=200_000,
            output_tokens=64_000,
        ),
        PaidModel(
            name="claude-opus-4-8",
            price=usd_per_million("5.00", "25.00", "0.50", "6.25"),
            context_tokens=1_000_000,
            output_tokens=128_000,
            newer=True,
        ),
    ),
)
PROVIDERS: Mapping[str, Provider] = {one.name: one for one in (OPENAI, XAI, GEMINI, ANTHROPIC)}
