"""A request and its attempts while they are under way, in memory.

Law: changed only by the ledger's sync code. An attempt is held until its one end; an entry is open until its one
closing.
"""

from dataclasses import dataclass, field

import msgspec

from lodestard.domain.closing import Closing
from lodestard.domain.money import FREE, Price
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Target
from lodestard.domain.usage import Usage
from lodestard.ledger.rows import AttemptRow, RequestRow, State

NS_PER_US = 1_000
NO_USAGE = Usage()


@dataclass(slots=True, eq=False)
class Entry:
    """A request that the ledger knows of. Who asked, and for what, may be corrected until it is closed."""

    seq: int
    id: str
    received_ms: int
    caller: Caller
    alias: str
    dialect: str
    stream: bool
    attempts: list["Attempt"] = field(default_factory=list)
    closed: RequestRow | None = None

    def opened_row(self) -> RequestRow:
        """Its row as long as it is under way."""
        caller = self.caller
        return RequestRow(
            self.seq,
            self.id,
            "open",
            self.received_ms,
            self.alias,
            self.dialect,
            int(self.stream),
            caller.principal,
            caller.project,
            caller.user,
            caller.session,
            caller.client,
        )

    def closed_row(self, closing: Closing, baseline_nano_usd: int | None) -> RequestRow:
        """Its row at the end. Its tokens are its attempts', or those of an answer that it got for nothing."""
        used = [attempt.usage for attempt in self.attempts if attempt.usage is not None]
        used = used if self.attempts else [closing.usage or NO_USAGE]
        target, durations = closing.target, closing.durations
        return msgspec.structs.replace(
            self.opened_row(),
            state="closed",
            upstream=target.upstream if target else "",
            model=target.model if target else "",
            cache=closing.cache,
            outcome=str(closing.outcome),
            status=closing.status,
            attempts=len(self.attempts),
            prompt_tokens=sum(usage.prompt_tokens for usage in used),
            completion_tokens=sum(usage.completion_tokens for usage in used),
            cached_tokens=sum(usage.cached_tokens for usage in used),
            cache_write_tokens=sum(usage.cache_write_tokens for usage in used),
            reasoning_tokens=sum(usage.reasoning_tokens for usage in used),
            cost_nano_usd=sum(attempt.cost_nano_usd for attempt in self.attempts),
            unknown_nano_usd=sum(a.cost_nano_usd for a in self.attempts if a.state == "unknown"),
            baseline_nano_usd=baseline_nano_usd,
            total_us=closing.total_us,
            first_piece_us=closing.first_piece_us,
            overhead_us=closing.overhead_us,
            load_us=durations.load_ns // NS_PER_US if durations else None,
            prefill_us=durations.prefill_ns // NS_PER_US if durations else None,
            decode_us=durations.decode_ns // NS_PER_US if durations else None,
        )


@dataclass(slots=True, eq=False)
class Attempt:
    """One attempt at a target. ``price`` is the one it was held under; ``free`` ones are written at the end only."""

    entry: Entry
    ordinal: int
    target: Target
    free: bool
    price: Price
    hold_nano_usd: int
    started_ms: int
    started_ns: int
    state: State = "held"
    ended_ms: int | None = None
    total_us: int = 0
    cost_nano_usd: int = 0
    usage: Usage | None = None
    reason: str = ""

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
            "" if self.price is FREE else msgspec.json.encode(self.price).decode(),
            usage.prompt_tokens if usage else None,
            usage.completion_tokens if usage else None,
            usage.cached_tokens if usage else None,
            usage.cache_write_tokens if usage else None,
            usage.reasoning_tokens if usage else None,
            usage.billed_nano_usd if usage else None,
            self.reason,
        )
