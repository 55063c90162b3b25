"""What came of a run, in figures: from the clients' side and the simulated card's own, never from lodestard's.

Law: pure. A swap is a load that was begun, whether or not it came to its end. Waits go from the request's arrival to
the moment when its model is loaded and begins to read it (``start``), or to the first token (``first``; of an answer
that is not streamed, to its end). Whose user typed on is in no wait: nobody was waiting any more. Who gave up counts
with the wait that it took to give up, who was cut off by the end of the run with the wait until then.
What is ``lost`` is card time: no model was ready, and somebody waited.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from tests.bench.gpu.drive import Run, Sent, Visit
from tests.bench.gpu.machines import MACHINES, floor_s
from tests.bench.gpu.traffic import Ask
from tests.bench.gpu.words import CHARACTERS

AIDER = ("architect", "editor", "commit")
Figures = dict[str, float]
S_PER_H = 3600.0
LEARNING_SWITCHES = 6
"""Three tasks, each to the editor and back: what is seen three times is foreseen."""


def read_figures(run: Run, machine: str) -> Figures:
    """Every figure of a run, by name. Units are in names; what there was none of is left out."""
    scheduler = run.card.app.scheduler
    answered = [sent for sent in run.sent if sent.done_s is not None]
    tally, lasted_s = scheduler.tally, run.ended_s - run.began_s
    hours = lasted_s / S_PER_H
    lost_s = _overlap_s(run.card.gaps_s, _waiting(run))
    found = {
        "simulated_s": lasted_s,
        "asked": len(run.sent),
        "answered": len(answered),
        "typed_on": sum(sent.left_s is not None and sent.ask.superseded for sent in run.sent),
        "gave_up": sum(sent.left_s is not None and not sent.ask.superseded for sent in run.sent),
        "swaps": run.card.swaps,
        "aborted_loads": scheduler.aborted_loads,
        "reloads": tally.reloads,
        "swaps_per_100": 100 * run.card.swaps / max(1, len(answered)),
        "lost_s": lost_s,
        "lost_s_per_request": lost_s / max(1, len(answered)),
        "answered_per_h": len(answered) / hours,
        "written_tokens_per_h": sum(len(sent.ask.answer) // CHARACTERS for sent in answered) / hours,
        "prompt_tokens": tally.prompt_tokens,
        "read_tokens": tally.read_tokens,
        "swapping_share": (tally.loading_s + tally.memory_wait_s) / lasted_s,
        "reading_share": tally.reading_s / lasted_s,
        "writing_share": tally.writing_s / lasted_s,
        "most_mb": tally.most_bytes / 1e6,
    }
    found |= {**_waits(run), **_switches(run, machine)}
    return {name: round(value, 3) for name, value in found.items()}


def read_bounds(run: Run) -> Figures:
    """What must hold with residency on, whatever else came of it."""
    found: dict[str, float] = {
        "models_at_once": run.card.most_there,
        "refused": sum(_was_refused(sent) for sent in run.sent),
    }
    for name in ("interactive", "job"):
        starts = [start_s(run, sent) for sent in run.sent if sent.ask.interactive is (name == "interactive")]
        if starts:
            found[f"{name}_start_most_s"] = max(starts)
    return {name: round(value, 3) for name, value in found.items()}


def _was_refused(sent: Sent) -> bool:
    """A completion that a newer one has replaced is refused too, but nobody waits for its answer."""
    return sent.status not in (0, 200) and not sent.ask.superseded


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest rank."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _waits(run: Run) -> Figures:
    groups: dict[str, Callable[[Ask], bool]] = {
        "interactive": lambda ask: ask.interactive,
        "aider": lambda ask: ask.kind in AIDER,
        "autocomplete": lambda ask: ask.kind == "autocomplete",
        "job": lambda ask: ask.kind == "job",
        "any": lambda ask: ask.any_model and ask.interactive,
    }
    found: Figures = {}
    for name, belongs in groups.items():
        sent = [each for each in run.sent if belongs(each.ask) and not each.ask.superseded]
        if sent:
            starts, firsts = [start_s(run, each) for each in sent], [first_s(run, each) for each in sent]
            found[f"{name}_start_p50_s"] = percentile(starts, 0.5)
            found[f"{name}_start_p95_s"] = percentile(starts, 0.95)
            found[f"{name}_first_p50_s"] = percentile(firsts, 0.5)
            found[f"{name}_first_p95_s"] = percentile(firsts, 0.95)
    swaps = [_swap_s(run, sent) for sent in run.sent if groups["any"](sent.ask)]
    return found | {"any_swap_p50_s": percentile(swaps, 0.5)} if swaps else found


def _swap_s(run: Run, sent: Sent) -> float:
    """For how long of its wait no model was ready."""
    return _overlap_s(run.card.gaps_s, [(sent.asked_s, sent.asked_s + start_s(run, sent))])


def start_s(run: Run, sent: Sent) -> float:
    """How long it waited until its service began, or until it was left or cut off."""
    started_s = run.card.started_s.get(sent.ask.key)
    return (_end_s(run, sent) if started_s is None else started_s) - sent.asked_s


def first_s(visit: Visit, sent: Sent) -> float:
    """How long it waited for the first token, or until it was left or cut off."""
    return (_end_s(visit, sent) if sent.first_s is None else sent.first_s) - sent.asked_s


def _end_s(visit: Visit, sent: Sent) -> float:
    return visit.ended_s if sent.left_s is None else sent.left_s


def _switches(run: Run, machine: str) -> Figures:
    """Requests to another model than their client's last one: how long until it was ready, and the floor of that."""
    waits = [start_s(run, sent) for sent in _find_switches(run)]
    if not waits:
        return {}
    beyond = [start_s(run, sent) / floor_s(MACHINES[machine], sent.ask.model) for sent in _find_switches(run)]
    return {
        "switch_p50_s": percentile(waits, 0.5),
        "switch_p95_s": percentile(waits, 0.95),
        "switch_p50_of_floor": percentile(beyond, 0.5),
    }


def read_later_switches(run: Run) -> Figures:
    """The same without the first tasks, from which residency learns what follows what."""
    waits = [start_s(run, sent) for sent in _find_switches(run)][LEARNING_SWITCHES:]
    return {"later_switch_p50_s": round(percentile(waits, 0.5), 3)} if waits else {}


def _find_switches(run: Run) -> Iterator[Sent]:
    by_name = {sent.ask.name: sent for sent in run.sent}
    for lane in run.workload.lanes:
        for before, ask in pairwise(lane.asks if lane.width == 1 else ()):
            told = not (ask.any_model or before.any_model)
            if told and ask.model != before.model and ask.name in by_name and ask.kind != "job":
                yield by_name[ask.name]


def _waiting(run: Run) -> Iterator[tuple[float, float]]:
    """When somebody waited for service, as intervals that may overlap."""
    for sent in run.sent:
        yield sent.asked_s, sent.asked_s + start_s(run, sent)


def _overlap_s(gaps: Iterable[tuple[float, float]], waits: Iterable[tuple[float, float]]) -> float:
    """For how long of ``gaps`` there was a wait at all."""
    merged = list(_merge(waits))
    return sum(
        max(0.0, min(gap_until, until) - max(gap_from, since))
        for gap_from, gap_until in gaps
        for since, until in merged
    )


def _merge(intervals: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    current: tuple[float, float] | None = None
    for since, until in sorted(intervals):
        if current is not None and since <= current[1]:
            current = current[0], max(current[1], until)
        else:
            if current is not None:
                yield current
            current = since, until
    if current is not None:
        yield current
