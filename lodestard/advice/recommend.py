"""Which model to take for a request, of all that are configured, and why.

Law: the router's own sum over every model that may answer, so a recommendation never disagrees with what ``auto``
would do if all models stood in its route; and it says plainly whether a figure was seen or only assumed.
"""

from collections.abc import Mapping

from lodestard.advice.dry_run import open_trial, preference
from lodestard.advice.rows import advice_of, refusal_of
from lodestard.control.messages.advice import Recommendation, RouteCandidate
from lodestard.control.verbs.advice_desk import WantedRoute
from lodestard.domain.errors import CallerFault
from lodestard.domain.money import format_usd
from lodestard.domain.settings import Model
from lodestard.routing.choose import AUTO
from lodestard.runtime import Runtime

ALL = 1.0
"""Where so much is enough, nothing is: the best is wanted."""


def recommend(wanted: WantedRoute, runtime: Runtime) -> Recommendation:
    """The model to take. Raises ``CallerFault`` for what is no request."""
    trial = open_trial(wanted, runtime)
    prefer, targets = preference(trial.caller.prefer), runtime.routes.chat_targets
    try:
        plan = trial.among(targets, prefer)
    except CallerFault as fault:
        return Recommendation(route=refusal_of(trial.request.alias, trial.asked, trial.task, fault))
    route = advice_of(plan, trial.asked, trial.task, trial.priors(targets, prefer))
    best, *others = route.candidates
    enough = runtime.routes.worth[preference(plan.prefer)].enough
    return Recommendation(
        route=route,
        target=best.target,
        alias=alias_of(best.target, runtime.settings.models),
        enough=enough,
        good_enough=(best.quality or 0.0) >= enough,
        why=say_why(best, enough),
        runner_up=say_runner_up(best, others[0]) if others else "",
        evidence=say_evidence(best, trial.task.kind),
    )


def alias_of(target: str, models: Mapping[str, Model]) -> str:
    """The name that asks just this model: an alias that goes to it alone, or the target's own. Pure."""
    return next((alias for alias, model in models.items() if model.route == (target,) and alias != AUTO), target)


def say_why(best: RouteCandidate, enough: float) -> str:
    """Pure."""
    likely = f"{percent(best.quality)} likely to be good"
    cost = "it is free" if best.free else f"it costs about ${format_usd(best.cost_nano_usd or 0, places=6)}"
    wait = (
        f"its answer is whole after about {best.wait_s:.0f} s" if best.wait_s is not None else "its wait is unknown"
    )
    if (best.quality or 0.0) >= enough:
        return f"Its answer is {likely}, which is enough ({percent(enough)}); {cost}, and {wait}."
    if enough >= ALL:
        return f"Its answer is {likely}, and no other model is worth more; {cost}, and {wait}."
    return (
        f"Its answer is {likely}. That is less than enough ({percent(enough)}), but no other model is worth more;"
        f" {cost}, and {wait}."
    )


def say_runner_up(best: RouteCandidate, other: RouteCandidate) -> str:
    """Whom it was chosen over, and by how much. Pure."""
    cost = "free" if other.free else f"about ${format_usd(other.cost_nano_usd or 0, places=6)}"
    wait = "" if other.wait_s is None else f", {other.wait_s:.0f} s"
    less = (best.value_nano_usd or 0) - (other.value_nano_usd or 0)
    down = "" if other.up else "; it is down"
    behind = f"worth ${format_usd(less, places=6)} less" if less >= 0 else "worth more, were it not for what is noted"
    return f"{other.target}: {percent(other.quality)}, {cost}{wait}; {behind}{down}."


def say_evidence(best: RouteCandidate, kind: str) -> str:
    """What its quality is made of. Pure."""
    if best.seen < 1.0:
        return f"Nothing was seen yet of its work at {kind}: the figure is only a prior, by its name."
    answers = "1 answer" if round(best.seen) == 1 else f"{best.seen:.0f} answers"
    return f"{answers} of its work at {kind} were judged; before them it was thought {percent(best.prior)}."


def percent(share: float | None) -> str:
    return "of unknown quality" if share is None else f"{100 * share:.0f} %"
