"""``lodestarctl budget history``."""

from lodestarctl import exit_codes
from lodestarctl.render.budgets import render_history
from lodestarctl.session import Session
from lodestard.control.messages.budgets import BudgetHistory


def run(session: Session) -> int:
    session.report("budget.history", {"last": session.args.lines}, BudgetHistory, render_history)
    return exit_codes.OK
