"""The one line that says why a model was chosen (``x-lodestar-reason``). Pure.

Law: names and figures only, never the client's text.
"""

from collections.abc import Sequence

from lodestard.domain.money import format_usd
from lodestard.domain.task import Task
from lodestard.domain.upstream import Candidate, Merit
from lodestard.routing.rules import Verdict

_EASY, _HARD = 0.35, 0.65
_MOST_RULES = 3


def say_order(why: str, candidates: Sequence[Candidate], verdict: Verdict) -> str:
    """Of a route whose order stands."""
    return "; ".join([why, *_rules(verdict), *_down(candidates)])


def say_choice(alias: str, task: Task, candidates: Sequence[Candidate], verdict: Verdict) -> str:
    """Of a choice: what it is, what the first one promises, and against whom it stood."""
    first = candidates[0]
    parts = [f"{alias}: {hardness_word(task.hardness)} {task.kind}"]
    if first.merit is not None:
        parts.append(_promise(first, first.merit))
        if (rival := _rival(candidates)) is not None and rival.merit is not None:
            parts.append(f"rather than {rival.target} ({_figures(rival.merit)})")
    return "; ".join([*parts, *_rules(verdict), *_down(candidates)])


def hardness_word(hardness: float) -> str:
    if hardness < _EASY:
        return "easy"
    return "hard" if hardness > _HARD else "middling"


def _promise(candidate: Candidate, merit: Merit) -> str:
    cost = "free" if candidate.free else f"about ${format_usd(merit.cost_nano_usd)}"
    seen = f" by {merit.seen:.0f} answers" if merit.seen >= 1 else ""
    return f"{candidate.target} likely good ({merit.quality:.2f}{seen}), {cost}, {merit.wait_s:.0f} s"


def _rival(candidates: Sequence[Candidate]) -> Candidate | None:
    """Whoever of the others is likeliest good."""
    return max(candidates[1:], key=_quality, default=None)


def _quality(candidate: Candidate) -> float:
    return -1.0 if candidate.merit is None else candidate.merit.quality


def _figures(merit: Merit) -> str:
    cost = "free" if not merit.cost_nano_usd else f"${format_usd(merit.cost_nano_usd)}"
    return f"{merit.quality:.2f}, {cost}, {merit.wait_s:.0f} s"


def _rules(verdict: Verdict) -> list[str]:
    if not verdict.names:
        return []
    more = len(verdict.names) - _MOST_RULES
    named = ", ".join(verdict.names[:_MOST_RULES])
    return [f"by {named}{f' and {more} more' if more > 0 else ''}"]


def _down(candidates: Sequence[Candidate]) -> list[str]:
    if not candidates[0].up:
        return []
    asked_last = [candidate for candidate in candidates if not candidate.up]
    down = dict.fromkeys(candidate.target.upstream for candidate in asked_last if not candidate.passed_over)
    told = [f"{', '.join(down)} down"] if down else []
    return told + [f"{one.target} passed over ({one.passed_over})" for one in asked_last if one.passed_over]
