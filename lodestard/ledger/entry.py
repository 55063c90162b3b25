"""A request and its attempts while they are under way, in memory.

Law: changed only by the ledger's sync code. An attempt is held until its one end; an entry is open until its one
closing.
"""

from collections.abc import Sequence

import msgspec

from lodestard.budget import cost_nano_usd
from lodestard.budget.rules import NOTHING, Amounts
from lodestard.domain.closing import Closing
from lodestard.domain.money import MAX_NANO_USD
from lodestard.domain.price import FREE, Price
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Target
from lodestard.domain.usage import Usage
from lodestard.ledger.keeper import NO_CHARGE, Charge
from lodestard.ledger.rows import AttemptRow, RequestRow, State
from lodestard.ledger.sessions import Session
from lodestard.ledger.text import bounded, bounded_all

NS_PER_US = 1_000
MAX_TOKENS = 10**12
MAX_US = 10**15
COUNTED = tuple(name for name in Usage.__struct_fields__ if name.endswith("_tokens"))
_COUNTS = len(COUNTED)
assert Usage.__struct_fields__[:_COUNTS] == COUNTED  # they come first


class Entry(msgspec.Struct, eq=False):
    """A request that the ledger knows of. Who asked, and for what, may be corrected until it is closed."""

    seq: int
    id: str
    received_ms: int
    caller: Caller
    alias: str
    dialect: str
    stream: bool
    session: Session
    switched_from: str = ""
    attempts: list["Attempt"] = []
    closed: RequestRow | None = None
    _opened: RequestRow | None = None
    _opened_for: Caller | None = None

    def opened_row(self) -> RequestRow:
        """Its row as long as it is under way. Made once for each caller that it is known to have."""
        if self._opened is None or self._opened_for is not self.caller:
            self._opened_for = self.caller
            self._opened = self._open_row(self.caller)
        return self._opened

    def _open_row(self, caller: Caller) -> RequestRow:
        return RequestRow(*self._opening_values("open", caller), task=bounded(caller.task))

    def _opening_values(
        self, state: str, caller: Caller
    ) -> tuple[int, str, str, int, str, str, int, str, str, str, str, str]:
        """The first columns, up to the client."""
        alias, principal, project, user, session, client = bounded_all(
            (self.alias, caller.principal, caller.project, caller.user, caller.session, caller.client)
        )
        stream = 1 if self.stream else 0
        return (
            *(self.seq, self.id, state, self.received_ms, alias, self.dialect, stream),
            *(principal, project, user, session, client),
        )

    def closed_row(self, closing: Closing, baseline_nano_usd: int | None) -> RequestRow:
        """Its row at the end. Its tokens are its attempts', or those of an answer that it got for nothing."""
        attempts, target, durations = self.attempts, closing.target, closing.durations
        usage = self._usage(closing)
        cost = unknown = prompt_cache = 0
        for attempt in attempts:
            cost += attempt.cost_nano_usd
            unknown += attempt.cost_nano_usd if attempt.state == "unknown" else 0
            prompt_cache += 0 if attempt.free else attempt.prompt_cache_nano_usd
        return RequestRow(
            *self._opening_values("closed", self.caller),
            task=bounded(closing.task or self.caller.task),
            upstream=target.upstream if target else "",
            model=target.model if target else "",
            cache=closing.cache,
            outcome=str(closing.outcome),
            status=closing.status,
            attempts=len(attempts),
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            cost_nano_usd=cost,
            unknown_nano_usd=unknown,
            baseline_nano_usd=baseline_nano_usd,
            total_us=closing.total_us,
            first_piece_us=closing.first_piece_us,
            overhead_us=closing.overhead_us,
            load_us=_microseconds(durations.load_ns) if durations else None,
            prefill_us=_microseconds(durations.prefill_ns) if durations else None,
            decode_us=_microseconds(durations.decode_ns) if durations else None,
            switched_from=bounded(self.switched_from) if self.switched_from else "",
            prompt_cache_nano_usd=prompt_cache,
        )

    def _usage(self, closing: Closing) -> Usage:
        used = [attempt.usage for attempt in self.attempts if attempt.usage is not None]
        if not self.attempts and closing.usage is not None and is_plausible(closing.usage):
            used = [closing.usage]
        return used[0] if len(used) == 1 else _sum_up(used)


class Attempt(msgspec.Struct, eq=False):
    """One attempt at a target. ``price`` is the one it was held under; ``free`` ones are written at the end only."""

    entry: Entry
    ordinal: int
    target: Target
    free: bool
    price: Price
    hold_nano_usd: int
    started_ms: int
    started_ns: int
    charge: Charge = NO_CHARGE
    state: State = "held"
    ended_ms: int | None = None
    total_us: int = 0
    cost_nano_usd: int = 0
    usage: Usage | None = None
    reason: str = ""

    @property
    def price_version(self) -> str:
        """The name of the price that it was held under; empty where it was free."""
        return "" if self.price is FREE else self.price.version

    @property
    def prompt_cache_nano_usd(self) -> int:
        """What the provider's prompt cache took off its own price; below zero where writing it cost more."""
        usage = self.usage
        if self.free or usage is None or not (usage.cached_tokens or usage.cache_write_tokens):
            return 0
        with_cache = msgspec.structs.replace(usage, billed_nano_usd=None)
        without, paid = cost_nano_usd(uncached(usage), self.price), cost_nano_usd(with_cache, self.price)
        if without is None or paid is None:  # what the provider billed, no price says
            return 0
        return max(-MAX_NANO_USD, min(without - paid, MAX_NANO_USD))

    def row(self) -> AttemptRow:
        """As it stands now."""
        usage = self.usage
        return AttemptRow(
            self.entry.seq,
            self.ordinal,
            self.target.upstream,
            self.target.model,
            int(self.free),
            self.state,
            self.started_ms,
            self.ended_ms,
            self.total_us,
            self.hold_nano_usd,
            self.cost_nano_usd,
            self.price_version,
            usage.prompt_tokens if usage else None,
            usage.completion_tokens if usage else None,
            usage.cached_tokens if usage else None,
            usage.cache_write_tokens if usage else None,
            usage.reasoning_tokens if usage else None,
            usage.billed_nano_usd if usage else None,
            bounded(self.reason) if self.reason else "",
            rare_usage(usage) if usage else "",
            self.charge.wanted.tokens,
        )


RARE = (
    "cache_write_1h_tokens",
    "audio_prompt_tokens",
    "audio_cached_tokens",
    "audio_completion_tokens",
    "image_prompt_tokens",
    "image_cached_tokens",
    "image_completion_tokens",
    "service_tier",
)


def rare_usage(usage: Usage) -> str:
    """What a usage has beside the columns, as JSON; empty where there is nothing."""
    if not (
        usage.cache_write_1h_tokens
        or usage.audio_prompt_tokens
        or usage.audio_cached_tokens
        or usage.audio_completion_tokens
        or usage.image_prompt_tokens
        or usage.image_cached_tokens
        or usage.image_completion_tokens
        or usage.service_tier
    ):
        return ""
    rare = {name: value for name in RARE if (value := getattr(usage, name))}
    return msgspec.json.encode(rare).decode()


def spent_by(attempt: Attempt) -> Amounts:
    """What an attempt that has ended counts for in budgets. Tokens that nobody counted count as they were held."""
    if attempt.state == "released":
        return NOTHING
    usage = attempt.usage
    if usage is not None:
        return Amounts(attempt.cost_nano_usd, usage.prompt_tokens + usage.completion_tokens, 1)
    tokens = attempt.charge.wanted.tokens if attempt.state == "unknown" else 0
    return Amounts(attempt.cost_nano_usd, tokens, 1)


def uncached(usage: Usage) -> Usage:
    """The same tokens, had the provider kept no prompt; what it says that it billed is of no use then."""
    return msgspec.structs.replace(
        usage,
        cached_tokens=0,
        cache_write_tokens=0,
        cache_write_1h_tokens=0,
        audio_cached_tokens=0,
        image_cached_tokens=0,
        billed_nano_usd=None,
    )


def is_plausible(usage: Usage) -> bool:
    """Whether the figures can be anybody's bill. Garbage must neither be charged nor break the row."""
    counts = msgspec.structs.astuple(usage)[:_COUNTS]
    return min(counts) >= 0 and max(counts) <= MAX_TOKENS and 0 <= (usage.billed_nano_usd or 0) <= MAX_NANO_USD


def _sum_up(used: Sequence[Usage]) -> Usage:
    return Usage(
        prompt_tokens=sum(usage.prompt_tokens for usage in used),
        completion_tokens=sum(usage.completion_tokens for usage in used),
        cached_tokens=sum(usage.cached_tokens for usage in used),
        cache_write_tokens=sum(usage.cache_write_tokens for usage in used),
        reasoning_tokens=sum(usage.reasoning_tokens for usage in used),
    )


def _microseconds(duration_ns: int) -> int:
    return min(max(0, duration_ns // NS_PER_US), MAX_US)
