"""Budgets: how they stand, who lifted which, what was told of them."""

from lodestard.control.envelope import Message


class BudgetLine(Message, frozen=True):
    """One limit of a budget. ``unit`` says what the figures count: usd (nano-USD), tokens, requests.

    ``limit`` is None while an override lifts it altogether; ``configured`` is what the configuration says.
    """

    unit: str
    configured: int
    limit: int | None
    spent: int
    held: int


class OverrideRow(Message, frozen=True):
    """A limit lifted by ``extra`` of the budget's unit, or altogether (None), until ``until_ms``."""

    id: int
    budget: str
    value: str
    until_ms: int
    extra: int | None = None
    reason: str = ""
    who: str = ""


class BudgetRow(Message, frozen=True):
    """One budget of one somebody, in the window that it is now. ``end_ms`` is None where it has no end."""

    name: str
    scope: str
    value: str
    window: str
    hard: bool
    at_limit: str
    lines: tuple[BudgetLine, ...]
    start_ms: int = 0
    end_ms: int | None = None
    overrides: tuple[OverrideRow, ...] = ()


class RateRow(Message, frozen=True):
    """A rate limit, a minute."""

    name: str
    scope: str
    of: str = ""
    requests: int | None = None
    tokens: int | None = None


class BudgetsReport(Message, frozen=True):
    """``banner`` are the alerts of the windows that it is now, worst first, as sentences."""

    budgets: tuple[BudgetRow, ...]
    rates: tuple[RateRow, ...] = ()
    banner: tuple[str, ...] = ()


class BudgetAct(Message, frozen=True):
    """Something that was done about a budget (override, revoke, set), or told of it (alert)."""

    at_ms: int
    act: str
    budget: str
    value: str = ""
    until_ms: int | None = None
    extra: int | None = None
    text: str = ""
    who: str = ""


class BudgetHistory(Message, frozen=True):
    """The newest first."""

    acts: tuple[BudgetAct, ...]


class OverrideGiven(Message, frozen=True):
    override: OverrideRow


class OverridesTaken(Message, frozen=True):
    """Those that were in force and are not any more."""

    overrides: tuple[OverrideRow, ...]
