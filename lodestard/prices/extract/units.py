"""The price list's units → the rates that we bill by.

Law: a token's rate comes from the unit of its kind, or from none; a unit that we can't count makes a price
unbillable unless what it prices is refused (a search) or costs no more than what we bill it as. One that names no
output is of embeddings alone. A threshold prices every token of a request. Sub-pico amounts round up.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from genai_prices.types import ModelPrice, TieredPrices

from lodestard.domain.money import parse_nano_usd, parse_price
from lodestard.domain.price import Price, Rates, Tier

Keys = Mapping[str, Decimal | TieredPrices]

RATES = {
    "input_mtok": "input_pico_usd",
    "output_mtok": "output_pico_usd",
    "cache_read_mtok": "cache_read_pico_usd",
    "cache_write_mtok": "cache_write_pico_usd",
    "cache_write_1h_mtok": "cache_write_1h_pico_usd",
    "input_audio_mtok": "audio_input_pico_usd",
    "cache_audio_read_mtok": "audio_cache_read_pico_usd",
    "output_audio_mtok": "audio_output_pico_usd",
    "input_image_mtok": "image_input_pico_usd",
    "cache_image_read_mtok": "image_cache_read_pico_usd",
    "output_image_mtok": "image_output_pico_usd",
    "output_reasoning_mtok": "reasoning_pico_usd",
}
PER_REQUEST = "requests_kcount"
# What brings these about is refused (budget/unpriced.py): search tools, code execution.
REFUSED = frozenset(
    ("web_searches_kcount", "social_searches_kcount", "storage_searches_kcount", "code_executions_kcount")
)
# Models that search whether they are asked to or not.
SEARCHERS = ("sonar", "-search", "deep-research")
PER_REQUESTS = 1_000


class Unbillable(Exception):
    """Why we can't bill by a price, for a person."""


def keys_of(prices: ModelPrice) -> Keys:
    """The units that a price names."""
    return {key: value for key, value in vars(prices).items() if value is not None and not key.startswith("_")}


def embeds_only(candidates: Sequence[Keys]) -> bool:
    """Whether these price input and nothing else, as of a model that gives vectors."""
    names = {key for keys in candidates for key in keys}
    return "input_mtok" in names and not any(key.startswith("output_") for key in names)


def of_vectors(keys: Keys) -> Keys:
    """What text costs that becomes a vector: that is no output, and text is all that is embedded."""
    text = {key: value for key, value in keys.items() if key in RATES or not key.startswith("input_")}
    return {**text, "output_mtok": Decimal(0)}


def dearest(candidates: Sequence[Keys]) -> Keys:
    """For each unit the dearest price that one of them has, whatever the prompt's length."""
    if len(candidates) == 1:
        return candidates[0]
    found: dict[str, Decimal | TieredPrices] = {}
    for key in dict.fromkeys(key for keys in candidates for key in keys):
        values = [keys[key] for keys in candidates if key in keys]
        starts = sorted({start for value in values for start in thresholds(value)})
        best = max(at(value, 0) for value in values)
        tiers = [(start, max(at(value, start + 1) for value in values)) for start in starts]
        found[key] = _tiered(best, tiers) if tiers else best
    return found


def _tiered(base: Decimal, tiers: Sequence[tuple[int, Decimal]]) -> TieredPrices:
    from genai_prices.types import Tier as ListTier

    return TieredPrices(base=base, tiers=[ListTier(start=start, price=price) for start, price in tiers])


def price_of(candidates: Sequence[Keys], provider: str, model: str) -> Price:
    """A price with its tiers. Raises ``Unbillable``."""
    keys = dearest(candidates)
    _refuse_unbillable(keys, provider, model)
    rates, tiers = rates_of(keys)
    return Price(**{name: getattr(rates, name) for name in Rates.__struct_fields__}, tiers=tiers)


def rates_of(keys: Keys) -> tuple[Rates, tuple[Tier, ...]]:
    """The rates without a tier, and those of each threshold that some unit has."""
    starts = sorted({start for key, value in keys.items() if key in RATES for start in thresholds(value)})
    tiers = tuple(Tier(above_prompt_tokens=start, rates=_rates(keys, start + 1)) for start in starts)
    return _rates(keys, 0), tiers


def request_nano_usd(keys: Keys) -> int:
    """What each request costs beside its tokens."""
    value = keys.get(PER_REQUEST)
    return 0 if value is None else parse_nano_usd(max(_all(value)) / PER_REQUESTS)


def thresholds(value: Decimal | TieredPrices) -> list[int]:
    return [tier.start for tier in value.tiers] if isinstance(value, TieredPrices) else []


def at(value: Decimal | TieredPrices, prompt_tokens: int) -> Decimal:
    """The price of one unit in a request with so long a prompt."""
    if not isinstance(value, TieredPrices):
        return value
    for tier in reversed(value.tiers):
        if prompt_tokens > tier.start:
            return tier.price
    return value.base


def _rates(keys: Keys, prompt_tokens: int) -> Rates:
    named = {RATES[key]: parse_price(at(value, prompt_tokens)) for key, value in keys.items() if key in RATES}
    return Rates(**named)


def _refuse_unbillable(keys: Keys, provider: str, model: str) -> None:
    for key in ("input_mtok", "output_mtok"):
        if key not in keys:
            raise Unbillable(f"the price list has no {key.removesuffix('_mtok')} rate of {provider}/{model}")
    if PER_REQUEST not in keys and any(word in model for word in SEARCHERS):
        raise Unbillable(f"{provider}/{model} searches unasked, and bills each search")
    for key, value in keys.items():
        if key in RATES or key == PER_REQUEST:
            continue
        if key not in REFUSED and not any(_covers(keys[wider], value) for wider in _billed_as(key) if wider in keys):
            raise Unbillable(f"{provider}/{model} bills {key}, which we can't count")


def _billed_as(key: str) -> Iterator[str]:
    """What tokens of that unit are billed as: the nearest wider one that we count."""
    if key.endswith("_mtok"):
        if key.startswith("output_"):
            yield "output_mtok"
        elif key.startswith("input_"):
            yield "input_mtok"
        elif "_write" in key:
            yield "cache_write_1h_mtok" if key.endswith("1h_mtok") else "cache_write_mtok"
        elif "_read" in key:
            yield "cache_read_mtok"


def _covers(wider: Decimal | TieredPrices, value: Decimal | TieredPrices) -> bool:
    """Whether the wider unit is never the cheaper one."""
    lengths = [0, *(start + 1 for each in (wider, value) for start in thresholds(each))]
    return all(at(wider, length) >= at(value, length) for length in lengths)


def _all(value: Decimal | TieredPrices) -> list[Decimal]:
    return [value.base, *(tier.price for tier in value.tiers)] if isinstance(value, TieredPrices) else [value]
