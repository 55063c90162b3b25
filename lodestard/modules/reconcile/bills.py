"""Providers' pages of costs and usage, read. Pure.

Law: an amount is read from its text as it stands there and summed exactly; no float holds it. What is not understood
(another currency, a day that is not there, an amount beyond reason) is refused, never taken for nothing.
Sources: OpenAI's API reference, "Costs" and "Completions usage" (amounts in dollars, as JSON numbers); Anthropic's,
"Get Cost Report" and "Get Messages Usage Report" (amounts in cents, as decimal text).
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Context, Decimal, DecimalException, Inexact, InvalidOperation
from typing import Generic, TypeVar

import msgspec

from lodestard.domain.money import MAX_NANO_USD, NANO_PER_USD

EXACT = Context(prec=100, traps=[Inexact, InvalidOperation])
CENTS_PER_USD = 100
MOST_USD = MAX_NANO_USD // NANO_PER_USD
SMALLEST_EXPONENT = -40
B = TypeVar("B")
T = TypeVar("T")
DEFAULT_WORKSPACE = "default"


class BillError(Exception):
    """A page that can't be taken for a bill; the text is for a person and quotes nothing of it."""


class DayBill(msgspec.Struct, frozen=True):
    """What a page says of the day that begins at ``start_s``: US dollars, tokens in and out."""

    start_s: int
    usd: Decimal = Decimal(0)
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Page(msgspec.Struct, frozen=True):
    """``next_page`` is empty on the last one."""

    days: Sequence[DayBill]
    next_page: str = ""


class _Amount(msgspec.Struct):
    value: msgspec.Raw
    currency: str


class _OpenAICost(msgspec.Struct):
    amount: _Amount


class _OpenAIUsage(msgspec.Struct):
    input_tokens: int = 0
    output_tokens: int = 0


class _OpenAICosts(msgspec.Struct):
    start_time: int
    results: list[_OpenAICost]


class _OpenAIUsages(msgspec.Struct):
    start_time: int
    results: list[_OpenAIUsage]


class _AnthropicCost(msgspec.Struct):
    amount: str
    currency: str
    workspace_id: str | None = None


class _CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class _AnthropicUsage(msgspec.Struct):
    uncached_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    output_tokens: int = 0
    cache_creation: _CacheCreation | None = None
    workspace_id: str | None = None

    @property
    def prompt_tokens(self) -> int:
        made = self.cache_creation or _CacheCreation()
        written = made.ephemeral_5m_input_tokens + made.ephemeral_1h_input_tokens
        return self.uncached_input_tokens + self.cache_read_input_tokens + written


class _AnthropicCosts(msgspec.Struct):
    starting_at: str
    results: list[_AnthropicCost]


class _AnthropicUsages(msgspec.Struct):
    starting_at: str
    results: list[_AnthropicUsage]


class _Paged(msgspec.Struct, Generic[B]):
    data: list[B]
    has_more: bool
    next_page: str | None = None


def read_openai_costs(body: bytes) -> Page:
    """Raises ``BillError``, as all of them do."""
    page = _decode(body, _Paged[_OpenAICosts])
    days = [
        DayBill(
            bucket.start_time,
            _sum(_usd(_text(one.amount.value), one.amount.currency) for one in bucket.results),
        )
        for bucket in page.data
    ]
    return Page(days, _next(page))


def read_openai_usage(body: bytes) -> Page:
    page = _decode(body, _Paged[_OpenAIUsages])
    days = [
        DayBill(
            bucket.start_time,
            prompt_tokens=sum(one.input_tokens for one in bucket.results),
            completion_tokens=sum(one.output_tokens for one in bucket.results),
        )
        for bucket in page.data
    ]
    return Page(days, _next(page))


def read_anthropic_costs(body: bytes, workspace_ids: Sequence[str] = ()) -> Page:
    page = _decode(body, _Paged[_AnthropicCosts])
    days = [
        DayBill(
            _start_s(bucket.starting_at),
            _sum(
                EXACT.divide(_usd(one.amount, one.currency), CENTS_PER_USD)
                for one in bucket.results
                if _is_wanted(one.workspace_id, workspace_ids)
            ),
        )
        for bucket in page.data
    ]
    return Page(days, _next(page))


def read_anthropic_usage(body: bytes, workspace_ids: Sequence[str] = ()) -> Page:
    page = _decode(body, _Paged[_AnthropicUsages])
    days = []
    for bucket in page.data:
        wanted = [one for one in bucket.results if _is_wanted(one.workspace_id, workspace_ids)]
        days.append(
            DayBill(
                _start_s(bucket.starting_at),
                prompt_tokens=sum(one.prompt_tokens for one in wanted),
                completion_tokens=sum(one.output_tokens for one in wanted),
            )
        )
    return Page(days, _next(page))


def nano_usd_of(usd: Decimal) -> int:
    """US dollars → nano-USD, rounded up, once a day. Raises ``BillError`` for less than nothing."""
    if usd < 0:
        raise BillError("the day's bill is less than nothing")
    return int(EXACT.multiply(usd, Decimal(NANO_PER_USD)).to_integral_value(ROUND_CEILING))


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BillError("it is no page of daily figures") from None


def _next(page: _Paged[B]) -> str:
    if not page.has_more:
        return ""
    if not page.next_page:
        raise BillError("it says that there are more pages, and not which")
    return page.next_page


def _is_wanted(workspace_id: str | None, wanted: Sequence[str]) -> bool:
    return not wanted or (workspace_id or DEFAULT_WORKSPACE) in wanted


def _text(raw: msgspec.Raw) -> str:
    """A JSON number as it is written, or a text (some say amounts so)."""
    text = bytes(raw).decode()
    return text.strip('"')


def _usd(text: str, currency: str) -> Decimal:
    if currency.lower() != "usd":
        raise BillError("it is not in US dollars")
    try:
        amount = Decimal(text)
    except DecimalException:
        raise BillError("an amount is no number") from None
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < SMALLEST_EXPONENT or abs(amount) > MOST_USD * CENTS_PER_USD:
        raise BillError("an amount is beyond reason")
    return amount


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def _start_s(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BillError("a day has no beginning") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
