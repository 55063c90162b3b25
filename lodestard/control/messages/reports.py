"""``costs.report`` and ``costs.export``: what leaves the house as a document."""

from lodestard.control.envelope import Message
from lodestard.control.messages.figures import CostRow, CostSection
from lodestard.control.messages.projection import Projected


class BudgetLine(Message, frozen=True):
    """A budget in the report's month. ``spent`` and ``limit`` are of its ``unit``: nano_usd, tokens or requests."""

    budget: str
    of: str = ""
    window: str = ""
    unit: str = "nano_usd"
    spent: int = 0
    limit: int = 0
    state: str = ""


class MonthReport(Message, frozen=True):
    """A month from one reading of the ledger. Every section's rows and rest sum to ``total``.

    ``settled`` is False where requests ended while it was read, so that sections may differ by those. ``until_ms`` is
    the month's end, or when it was made while the month runs. ``charged_unknown`` are the models with amounts that
    were charged at their worst case. ``unreconciled_nano_usd`` is what providers say beyond our figures, None where
    nobody has compared them; ``budgets`` is None where there are none to tell of.
    """

    month: str
    timezone: str
    since_ms: int
    until_ms: int
    made_ms: int
    total: CostRow
    sections: tuple[CostSection, ...] = ()
    charged_unknown: tuple[CostRow, ...] = ()
    baseline: str = ""
    over: bool = True
    settled: bool = True
    projection: Projected | None = None
    budgets: tuple[BudgetLine, ...] | None = None
    unreconciled_nano_usd: int | None = None


class ExportPiece(Message, frozen=True):
    """A piece of the exported text; pieces are cut anywhere."""

    text: str
