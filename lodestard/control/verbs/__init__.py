"""The core's verbs: what ``lodestarctl`` can ask of the house itself. Modules register their own.

Law: a verb decides nothing and keeps nothing. It reads its arguments, asks the desk, and says it in the words of
``messages``; every figure of money comes from the ledger's reports.
"""

from collections.abc import Mapping

from lodestard.control.verbs.advice import advice_verbs
from lodestard.control.verbs.aider import aider_verbs
from lodestard.control.verbs.ask import ask_verbs
from lodestard.control.verbs.budgets import budget_verbs
from lodestard.control.verbs.cache import cache_verbs
from lodestard.control.verbs.configuration import configuration_verbs
from lodestard.control.verbs.dashboard import dashboard_verbs
from lodestard.control.verbs.desk import Desk
from lodestard.control.verbs.doctor import doctor_verbs
from lodestard.control.verbs.feedback import feedback_verbs
from lodestard.control.verbs.figures import figure_verbs
from lodestard.control.verbs.gpu import gpu_verbs
from lodestard.control.verbs.house import house_verbs
from lodestard.control.verbs.keys import key_verbs
from lodestard.control.verbs.models import model_verbs
from lodestard.control.verbs.picking import picking_verbs
from lodestard.control.verbs.prices import price_verbs
from lodestard.control.verbs.projects import project_verbs
from lodestard.control.verbs.reports import report_verbs
from lodestard.control.verbs.requests import request_verbs
from lodestard.control.verbs.sessions import session_verbs
from lodestard.control.verbs.switches import switch_verbs
from lodestard.domain.verbs import Verb

__all__ = ["Desk", "core_verbs"]

FAMILIES = (
    house_verbs,
    figure_verbs,
    report_verbs,
    budget_verbs,
    key_verbs,
    request_verbs,
    feedback_verbs,
    project_verbs,
    switch_verbs,
    dashboard_verbs,
    session_verbs,
    price_verbs,
    cache_verbs,
    model_verbs,
    picking_verbs,
    gpu_verbs,
    ask_verbs,
    advice_verbs,
    aider_verbs,
    configuration_verbs,
    doctor_verbs,
)


def core_verbs(desk: Desk) -> Mapping[str, Verb]:
    """All of them, by name."""
    return {verb.name: verb for family in FAMILIES for verb in family(desk)}
