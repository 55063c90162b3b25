"""What the ledger is told when it opens."""

import msgspec

from lodestard.budget.rules import Rate, Rule
from lodestard.domain.price import Price
from lodestard.ledger.session_rules import SessionRules


class LedgerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """``baseline`` is the price that savings are counted against, None for none. ``timezone`` says when a day begins.

    ``rules`` and ``rates`` are the budgets and limits to begin with. ``retention_days``: how long single requests are
    kept. ``sessions`` says when one ends. ``strict``: a second end of an attempt raises (for tests) instead of being
    logged and ignored.
    """

    baseline: Price | None = None
    timezone: str = "UTC"
    sessions: SessionRules = SessionRules()
    rules: tuple[Rule, ...] = ()
    rates: tuple[Rate, ...] = ()
    retention_days: int = 90
    strict: bool = False


DEFAULT_OPTIONS = LedgerOptions()
