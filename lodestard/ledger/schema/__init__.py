"""The ledger's tables, by what they are for.

Law: a version is added to those before it and takes nothing away; every amount is an integer of nano-USD in a STRICT
table.
"""

from lodestard.ledger.schema.budgets import BUDGETS
from lodestard.ledger.schema.feedback import FEEDBACK
from lodestard.ledger.schema.prices import PRICES
from lodestard.ledger.schema.reconciliation import RECONCILIATION
from lodestard.ledger.schema.requests import REQUESTS
from lodestard.ledger.schema.rollup import ROLLUP
from lodestard.ledger.schema.sessions import SESSIONS

__all__ = ["SCHEMA", "Schema"]

MONEY = f"{PRICES}{ROLLUP}{BUDGETS}{SESSIONS}{RECONCILIATION}"


class Schema:
    """The ledger's migrations, as the store wants them."""

    owner = "ledger"
    scripts = (REQUESTS, MONEY, FEEDBACK)


SCHEMA = Schema()
