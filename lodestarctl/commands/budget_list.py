"""``lodestarctl budget list``."""

from lodestarctl import exit_codes
from lodestarctl.render.budgets import render_budgets
from lodestarctl.session import Session
from lodestard.control.messages.budgets import BudgetsReport


def run(session: Session) -> int:
    session.report("budget.list", {}, BudgetsReport, render_budgets)
    return exit_codes.OK
