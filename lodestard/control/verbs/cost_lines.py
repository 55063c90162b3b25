"""How a request came to its cost, from the rows and prices that the ledger kept. Pure but for the desk's arithmetic.

Law: what is shown is worked out anew with the price that the row was made with; it must come to the very cost that
the ledger has, and says so where it does not.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from lodestard.control.messages.prices import CostedAttempt, CostExplanation, CostLine
from lodestard.control.verbs.attempt import AttemptRecord
from lodestard.control.verbs.desk import Explained
from lodestard.domain.bill import Bill
from lodestard.domain.price import Price
from lodestard.domain.usage import Usage

Itemise = Callable[[Usage, Price], Bill | None]
COUNTED = ("completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "billed_nano_usd")


def explain_cost(found: Explained, itemise: Itemise) -> CostExplanation:
    """The arithmetic of each attempt of a request."""
    request = found.request
    return CostExplanation(
        request_id=request.id,
        started_ms=request.received_ms,
        alias=request.alias,
        cost_nano_usd=request.cost_nano_usd,
        attempts=tuple(explain_attempt(row, found.prices.get(row.price), itemise) for row in found.attempts),
        notes=tuple(_notes(found)),
    )


def _notes(found: Explained) -> Iterator[str]:
    if not found.attempts:
        answered = found.request.cache in ("hit", "shared")
        yield "it was answered from the cache, for nothing" if answered else "no upstream was asked"


def explain_attempt(row: AttemptRecord, price: Price | None, itemise: Itemise) -> CostedAttempt:
    """One attempt."""
    usage = usage_of(row)
    bill = None if price is None or usage is None else itemise(usage, price)
    above = 0 if row.state in ("held", "released") else max(0, row.cost_nano_usd - row.held_nano_usd)
    back = 0 if row.state == "held" else max(0, row.held_nano_usd - row.cost_nano_usd)
    costed = CostedAttempt(
        target=f"{row.upstream}/{row.model}",
        state=row.state,
        billed_nano_usd=row.billed_nano_usd,
        cost_nano_usd=row.cost_nano_usd,
        hold_nano_usd=row.held_nano_usd,
        given_back_nano_usd=back,
        beyond_nano_usd=above,
        price_version="" if price is None else row.price,
        source="" if price is None else price.source,
        since_ms=0 if price is None else price.since_ms,
        service_tier="" if usage is None else usage.service_tier,
    )
    if bill is not None:
        costed = _with_lines(costed, bill)
    return msgspec.structs.replace(costed, note=_note(row, costed))


def _with_lines(costed: CostedAttempt, bill: Bill) -> CostedAttempt:
    return msgspec.structs.replace(
        costed,
        lines=tuple(CostLine(line.kind, line.tokens, line.rate_pico_usd, line.pico_usd) for line in bill.lines),
        request_nano_usd=bill.request_nano_usd,
        pico_usd=bill.pico_usd,
        priced_nano_usd=bill.nano_usd,
        above_prompt_tokens=bill.above_prompt_tokens,
    )


def usage_of(row: AttemptRecord) -> Usage | None:
    """The usage that a row was made from; None where nobody knows it."""
    if row.prompt_tokens is None:
        return None
    counted: dict[str, Any] = {name: value for name in COUNTED if (value := getattr(row, name)) is not None}
    rare: dict[str, Any] = msgspec.json.decode(row.details) if row.details else {}
    known = {name: value for name, value in rare.items() if name in Usage.__struct_fields__}
    return Usage(prompt_tokens=row.prompt_tokens, **counted, **known)


def _note(row: AttemptRecord, costed: CostedAttempt) -> str:
    """What explains the cost where the lines don't."""
    if row.free and not row.cost_nano_usd:
        return "free"
    match row.state:
        case "held":
            return "under way: its hold is set aside"
        case "released":
            return f"not billed: {row.reason}"
        case "unknown":
            return f"charged at its hold: {row.reason}"
    if row.billed_nano_usd is not None:
        return "the provider says what it billed, and that is what is charged"
    if costed.priced_nano_usd is None:
        return "the price that it was made with is not kept as a version"
    if costed.priced_nano_usd != row.cost_nano_usd:
        return "this arithmetic does not come to the cost that the ledger has: lodestarctl ledger verify"
    return ""
