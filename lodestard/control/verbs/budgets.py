"""``budget.list``, ``budget.set``, ``budget.unset``, ``budget.override``, ``budget.revoke``, ``budget.history``."""

from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, get_args

from lodestard.control.messages import ReloadReport
from lodestard.control.messages.budgets import (
    BudgetAct,
    BudgetHistory,
    BudgetLine,
    BudgetRow,
    BudgetsReport,
    OverrideGiven,
    OverrideRow,
    OverridesTaken,
    RateRow,
)
from lodestard.control.verbs.desk import BudgetDesk, Desk, ReliefRecord, StandingRecord
from lodestard.control.verbs.when import read_age_s
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.money import parse_nano_usd
from lodestard.domain.settings import Scope
from lodestard.domain.verbs import Argument, Arguments, Verb

MS_PER_S = 1_000
LONGEST_OVERRIDE_S = 31 * 86_400
MOST_ACTS = 1_000
NAME = Argument(name="budget", required=True, help="the budget's name")
WHO = Argument(name="who", kind="caller")
SET = (
    NAME,
    Argument(name="usd", help="US dollars"),
    Argument(name="tokens", kind="integer", help="tokens, in and out"),
    Argument(name="requests", kind="integer", help="requests that are sent to a model"),
    Argument(name="window", help="day, week, month, total, or hours that roll on: 24h"),
    Argument(name="scope", choices=get_args(Scope), help="of whom"),
    Argument(name="of", help="of which one; without it each has a budget of its own"),
    Argument(name="hard", choices=("yes", "no"), help="whether it is never overrun, or alerts only"),
    Argument(name="at_limit", choices=("free", "refuse"), help="what becomes of a request that does not fit"),
    WHO,
)
OVERRIDE = (
    NAME,
    Argument(name="for", required=True, help="for how long: 2h, 30m, 1d"),
    Argument(name="reason", required=True, help="why; it is kept"),
    Argument(name="of", help="of which one; without it of all"),
    Argument(name="extra", help="by how much (US dollars, tokens or requests); without it altogether"),
    WHO,
)


def budget_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def show(_arguments: Arguments) -> BudgetsReport:
        return read_budgets(desk.budgets)

    async def put(arguments: Arguments) -> ReloadReport:
        return await put_budget(desk, arguments)

    async def unset(arguments: Arguments) -> ReloadReport:
        name = arguments["budget"]
        report = await desk.change_configs({("budgets", name): None})
        if report.ok:
            desk.budgets.note_set(name, "taken back", arguments["who"])
        return report

    async def override(arguments: Arguments) -> OverrideGiven:
        return await give_override(desk, arguments)

    async def revoke(arguments: Arguments) -> OverridesTaken:
        taken = await desk.budgets.revoke(arguments["budget"], arguments["who"])
        return OverridesTaken(overrides=tuple(override_row(relief) for relief in taken))

    async def history(arguments: Arguments) -> BudgetHistory:
        return await read_history(desk.budgets, arguments["last"])

    last = (Argument(name="last", kind="integer", default=50, help="how many"),)
    return (
        Verb(name="budget.list", summary="how the budgets stand", needs="read", answer=show),
        Verb(name="budget.set", summary="set a budget for good", needs="admin", arguments=SET, answer=put),
        Verb(
            name="budget.unset", summary="take back a set budget", needs="admin", arguments=(NAME, WHO), answer=unset
        ),
        Verb(
            name="budget.override",
            summary="lift a budget for a time",
            needs="admin",
            arguments=OVERRIDE,
            answer=override,
        ),
        Verb(
            name="budget.revoke",
            summary="take back a budget's overrides",
            needs="admin",
            arguments=(NAME, WHO),
            answer=revoke,
        ),
        Verb(
            name="budget.history",
            summary="what was done and told about budgets",
            needs="read",
            arguments=last,
            answer=history,
        ),
    )


def read_budgets(budgets: BudgetDesk) -> BudgetsReport:
    """Every budget as it stands now."""
    return BudgetsReport(
        budgets=tuple(budget_row(standing) for standing in budgets.standings()),
        rates=tuple(
            RateRow(name=rate.name, scope=rate.scope, of=rate.of, requests=rate.requests, tokens=rate.tokens)
            for rate in budgets.rates
        ),
        banner=tuple(budgets.banner()),
    )


def budget_row(standing: StandingRecord) -> BudgetRow:
    """A standing → a row. Pure."""
    rule = standing.rule
    return BudgetRow(
        name=rule.name,
        scope=rule.scope,
        value=standing.value,
        window=str(rule.window),
        hard=rule.hard,
        at_limit=rule.at_limit,
        lines=tuple(budget_lines(standing)),
        start_ms=standing.start_ms,
        end_ms=None if rule.window.hours else standing.end_ms,
        overrides=tuple(override_row(relief) for relief in standing.reliefs),
    )


def budget_lines(standing: StandingRecord) -> Iterator[BudgetLine]:
    for unit, configured in standing.rule.limits:
        yield BudgetLine(
            unit=unit,
            configured=configured,
            limit=standing.limit(unit),
            spent=getattr(standing.spent, unit),
            held=getattr(standing.held, unit),
        )


def override_row(relief: ReliefRecord) -> OverrideRow:
    return OverrideRow(
        id=relief.id,
        budget=relief.budget,
        value=relief.value,
        until_ms=relief.until_ms,
        extra=relief.extra,
        reason=relief.reason,
        who=relief.who,
    )


async def put_budget(desk: Desk, arguments: Arguments) -> ReloadReport:
    """Write a budget's members to the drop-in and take them in. What is wrong with them is in the faults."""
    name = arguments["budget"]
    members: dict[str, Any] = {
        member: arguments[member]
        for member in ("tokens", "requests", "window", "scope", "of", "at_limit")
        if arguments[member] is not None
    }
    if arguments["usd"] is not None:
        members["usd"] = read_usd(arguments["usd"], "usd")
    if arguments["hard"] is not None:
        members["hard"] = arguments["hard"] == "yes"
    if not members:
        raise CallerFault(Code.INVALID_REQUEST, "Say what to set: --usd, --tokens, --requests, --window …")
    report = await desk.change_configs({("budgets", name, member): value for member, value in members.items()})
    if report.ok:
        said = ", ".join(f"{member} = {value}" for member, value in members.items())
        desk.budgets.note_set(name, said, arguments["who"])
    return report


async def give_override(desk: Desk, arguments: Arguments) -> OverrideGiven:
    """Lift a budget. Raises ``CallerFault`` for a budget that is not there, a time or an amount that is none."""
    for_s = read_age_s(arguments["for"], "for")
    if not 0 < for_s <= LONGEST_OVERRIDE_S:
        raise CallerFault(Code.INVALID_REQUEST, "An override lasts at most 31 days.", param="for")
    reason = arguments["reason"].strip()
    if not reason or len(reason) > 200 or not reason.isprintable():
        raise CallerFault(Code.INVALID_REQUEST, "A reason has 1 to 200 printable characters.", param="reason")
    relief = await desk.budgets.lift(
        arguments["budget"],
        value=arguments["of"] or "",
        for_ms=for_s * MS_PER_S,
        extra=read_extra(desk.budgets, arguments),
        reason=reason,
        who=arguments["who"],
    )
    return OverrideGiven(override=override_row(relief))


def read_extra(budgets: BudgetDesk, arguments: Arguments) -> int | None:
    """How much more, in the unit of the budget's first limit; None for all that is wanted."""
    text = arguments["extra"]
    if text is None:
        return None
    units = [rule.limits[0][0] for rule in budgets.rules if rule.name == arguments["budget"]]
    if units[:1] == ["usd"]:
        return parse_nano_usd(read_usd(text, "extra"))
    if text.isdecimal() and 0 < int(text) <= 10**12:
        return int(text)
    raise CallerFault(Code.INVALID_REQUEST, f"{text!r} is no amount.", param="extra")


def read_usd(text: str, param: str) -> Decimal:
    """US dollars as a person writes them: ``5``, ``2.50``, ``$2.50``."""
    try:
        amount = Decimal(text.strip().removeprefix("$"))
        parse_nano_usd(amount)
    except (InvalidOperation, ValueError):
        raise CallerFault(Code.INVALID_REQUEST, f"{text!r} is no amount of US dollars.", param=param) from None
    return amount


async def read_history(budgets: BudgetDesk, last: int) -> BudgetHistory:
    if not 0 <= last <= MOST_ACTS:
        raise CallerFault(Code.INVALID_REQUEST, f"last must be from 0 to {MOST_ACTS}.", param="last")
    return BudgetHistory(acts=tuple(act_row(act) for act in await budgets.history(last)))


def act_row(act: Sequence[Any]) -> BudgetAct:
    """A row of the ledger → what a person is told."""
    at_ms, what, budget, value, until_ms, extra, text, who = act
    return BudgetAct(
        at_ms=at_ms,
        act=what,
        budget=budget,
        value=value,
        until_ms=until_ms,
        extra=extra if what == "override" else None,
        text=text,
        who=who,
    )
