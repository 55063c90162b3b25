"""What models cost, what is wrong with that, and how a cost came about."""

from typing import Literal

from lodestard.control.envelope import Message
from lodestard.control.messages.severity import Severity


class PriceRates(Message, frozen=True):
    """pico-USD a token, None where no rate is named. ``service_tier`` is empty for the usual one;
    ``above_prompt_tokens`` is None for the rates without a threshold.
    """

    input_pico_usd: int
    output_pico_usd: int
    service_tier: str = ""
    above_prompt_tokens: int | None = None
    cache_read_pico_usd: int | None = None
    cache_write_pico_usd: int | None = None
    cache_write_1h_pico_usd: int | None = None
    audio_input_pico_usd: int | None = None
    audio_cache_read_pico_usd: int | None = None
    audio_output_pico_usd: int | None = None
    image_input_pico_usd: int | None = None
    image_cache_read_pico_usd: int | None = None
    image_output_pico_usd: int | None = None
    reasoning_pico_usd: int | None = None


class PriceState(Message, frozen=True):
    """A price, and from when it holds (0: from the beginning). ``source`` says who said so."""

    rates: tuple[PriceRates, ...]
    version: str = ""
    source: str = ""
    since_ms: int = 0
    request_nano_usd: int = 0
    max_output_tokens: int | None = None
    max_reasoning_tokens: int | None = None
    context_tokens: int | None = None


class PriceRow(Message, frozen=True):
    """One target. ``kind``: ``own`` is of ``[prices]``, ``list`` of the price list, ``ceiling`` of
    ``[price_book.ceiling]``, ``free`` of a free upstream; ``unpriced`` has none. ``next`` are the changes to come.
    """

    target: str
    kind: Literal["own", "list", "ceiling", "free", "unpriced"]
    now: PriceState | None = None
    next: tuple[PriceState, ...] = ()
    listed_as: str = ""
    retired: bool = False
    problem: str = ""


class PricesReport(Message, frozen=True):
    """``list_version`` is empty where there is no list; ``problem`` is why it could not be made anew."""

    prices: tuple[PriceRow, ...]
    list_version: str = ""
    list_made_ms: int = 0
    problem: str = ""


class PriceFinding(Message, frozen=True):
    """``target`` is empty where it is about the list itself."""

    kind: Literal["unpriced", "retired", "ceiling", "differs", "unlisted", "list_failed", "stale"]
    severity: Severity
    what: str
    mend: str = ""
    target: str = ""


class PriceCheck(Message, frozen=True):
    findings: tuple[PriceFinding, ...]
    checked: int
    list_version: str = ""
    list_made_ms: int = 0


class CostLine(Message, frozen=True):
    """So many tokens at one rate; ``pico_usd`` is their product."""

    kind: str
    tokens: int
    rate_pico_usd: int
    pico_usd: int


class CostedAttempt(Message, frozen=True):
    """How an attempt came to its cost.

    The lines and ``request_nano_usd`` sum to ``pico_usd``; rounded up once that is ``priced_nano_usd``, None where it
    can't be worked out. ``billed_nano_usd`` is what the provider says, and wins. ``hold_nano_usd`` was set aside, and
    ``given_back_nano_usd`` of it given back; ``beyond_nano_usd`` is what the cost was above it.
    """

    target: str
    state: str = ""
    lines: tuple[CostLine, ...] = ()
    request_nano_usd: int = 0
    pico_usd: int | None = None
    priced_nano_usd: int | None = None
    billed_nano_usd: int | None = None
    cost_nano_usd: int = 0
    hold_nano_usd: int = 0
    given_back_nano_usd: int = 0
    beyond_nano_usd: int = 0
    above_prompt_tokens: int | None = None
    service_tier: str = ""
    price_version: str = ""
    source: str = ""
    since_ms: int = 0
    note: str = ""


class CostExplanation(Message, frozen=True):
    """``cost_nano_usd`` is the sum of the attempts'."""

    request_id: str
    started_ms: int
    alias: str = ""
    cost_nano_usd: int = 0
    attempts: tuple[CostedAttempt, ...] = ()
    notes: tuple[str, ...] = ()
