"""``costs.report`` and ``costs.export``: what leaves the house as a document."""

from lodestard.control.envelope import Message
from lodestard.control.messages.budgets import BudgetRow
from lodestard.control.messages.figures import CostRow, CostSection
from lodestard.control.messages.projection import Projected


class MonthReport(Message, frozen=True):
    """A month from one reading of the ledger. Every section's rows and rest sum to ``total``.

    ``settled`` is False where requests ended while it was read, so that sections may differ by those. ``until_ms`` is
    the month's end, or when it was made while the month runs. ``charged_unknown`` are the models with amounts that
    were charged at their worst case. ``unreconciled_nano_usd`` is what providers say beyond our figures, None where
    nobody has compared them; ``budgets`` are those as they stand now, None where the month is over.
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
    budgets: tuple[BudgetRow, ...] | None = None
    unreconciled_nano_usd: int | None = None


class ExportPiece(Message, frozen=True):
    """A piece of the exported text; pieces are cut anywhere."""

    text: str
