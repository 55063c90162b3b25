"""The money ledger: what was held, spent and saved, and why.

Law: nothing paid is sent before its worst case is durable here, every attempt has exactly one end, and every figure
that anybody shows comes from here. Owner of the tables ``request``, ``trace``, ``attempt``, ``posting`` and
``feedback``.
"""

from lodestard.ledger.entry import Attempt, Entry
from lodestard.ledger.figures import CostRow
from lodestard.ledger.ledger import Ledger
from lodestard.ledger.listing import Explanation, RequestFilter
from lodestard.ledger.opening import open_ledger
from lodestard.ledger.options import LedgerOptions
from lodestard.ledger.reports import Reports
from lodestard.ledger.rows import AttemptRow, RequestRow
from lodestard.ledger.schema import SCHEMA
from lodestard.ledger.session_reports import SessionReports
from lodestard.ledger.session_rules import SessionRow, SessionRules
from lodestard.ledger.sessions import Sessions
from lodestard.ledger.totals import Totals
from lodestard.ledger.verify import VerifyReport, verify

__all__ = [
    "SCHEMA",
    "Attempt",
    "AttemptRow",
    "CostRow",
    "Entry",
    "Explanation",
    "Ledger",
    "LedgerOptions",
    "Reports",
    "RequestFilter",
    "RequestRow",
    "SessionReports",
    "SessionRow",
    "SessionRules",
    "Sessions",
    "Totals",
    "VerifyReport",
    "open_ledger",
    "verify",
]
