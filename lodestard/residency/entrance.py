"""Who may come in to a card, and who makes room for it.

Law: sync; called by the card, whose state it is.
"""

from lodestard.domain.errors import CallerFault, Code
from lodestard.residency import refusals
from lodestard.residency.asking import Asked
from lodestard.residency.fit import judge_fit
from lodestard.residency.state import Pins, State, Visit
from lodestard.residency.terms import Terms


def refuse_pinned_out(host: str, model: str, pins: Pins, resident_models: int) -> None:
    """Raises ``UpstreamFault(UPSTREAM_BUSY)`` where what nothing displaces leaves no room for ``model``."""
    others = sorted(pins.exclusive - {model})
    if len(others) >= resident_models:
        raise refusals.pinned_out(host, model, ", ".join(others))


def judge(visit: Visit, context_tokens: int, terms: Terms) -> int | None:
    """How much room its answer has in a context of so many tokens (0: unknown), or in the configured one if smaller.

    What was loaded for others with a larger context may be loaded anew before its turn. Raises
    ``CallerFault(CONTEXT_LENGTH_EXCEEDED)``.
    """
    sizes = (context_tokens, terms.context_tokens(visit.asked.model))
    smallest = min((tokens for tokens in sizes if tokens > 0), default=0)
    fit = judge_fit(visit.estimate, smallest, visit.asked, terms.residency.answer_tokens)
    if fit.objection:
        raise CallerFault(Code.CONTEXT_LENGTH_EXCEEDED, fit.objection, param="messages")
    return fit.room_tokens


def supersede(asked: Asked, state: State) -> int:
    """Stop whatever ``asked`` takes the place of, waiting or running. How many those are."""
    if not asked.supersede:
        return 0
    older = [
        visit
        for visit in (*state.queue.values(), *state.running)
        if visit.asked.supersede == asked.supersede and visit.fault is None
    ]
    for visit in older:
        state.queue.pop(visit.id, None)
        visit.stop(refusals.superseded())
    return len(older)
