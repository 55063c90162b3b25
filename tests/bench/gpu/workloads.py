"""The workloads: which clients at once, how many, for how long.

- ``mixed``: one developer with Aider and an editor. Minutes of typing and minutes of something else take turns; while
  there is typing, a file is saved every minute or two, and an indexer takes the functions that changed, four at a
  time. Half an hour at about two thirds of what the card can do.
- ``mixed-both``: the same, but the indexer asks llama about prose and deepseek about code.
- ``mixed-any``: ``mixed``, but commit messages and the indexer's prose may come from either model.
- ``busy``: the same developer beside a batch for llama that never ends, eight at a time (a script's thread pool).
- ``saturated``: a batch that never ends, eight at a time, whose pieces are for either model (prose to llama, code to
  deepseek): the card is never idle and both models are always wanted.
- ``gaps``: Aider alone; its user reads each plan and looks at each edit before going on, for longer than a load.
- ``back-to-back``: one client, one model and the other in turn, no pause.
"""

import random
from collections.abc import Sequence

import msgspec

from tests.bench.gpu.clients import Pauses, Spells, aider, autocomplete, batch, ping_pong
from tests.bench.gpu.traffic import DEEPSEEK, LLAMA, Lane, Workload

NAMES = ("mixed", "mixed-both", "mixed-any", "busy", "saturated", "gaps", "back-to-back")
ENDLESS = 400
Plan = tuple[list[Lane], float | None]


def plan_workload(name: str, seed: int, share: float = 1.0) -> Workload:
    """The workload of this name and seed; ``share`` of it, for a quick look. Raises ``KeyError``."""
    luck = random.Random(f"{name} {seed}")
    lanes, horizon_s = _PLANS[name](luck, share)
    return Workload(name=name, lanes=tuple(lanes), horizon_s=horizon_s)


def _mixed(luck: random.Random, share: float, models: Sequence[str] = (LLAMA,)) -> Plan:
    spells = _spells(luck, 1800.0 * share)
    lanes = [aider(luck, max(1, round(6 * share)), Pauses(think=(90.0, 240.0))), autocomplete(luck, spells)]
    return lanes + _saves(luck, spells, models), None


def _mixed_both(luck: random.Random, share: float) -> Plan:
    return _mixed(luck, share, (LLAMA, DEEPSEEK))


def _mixed_any(luck: random.Random, share: float) -> Plan:
    lanes, horizon_s = _mixed(luck, share)
    return [_undemanding(lane) for lane in lanes], horizon_s


def _undemanding(lane: Lane) -> Lane:
    """The same, but either model may say what a commit or a piece of text is about."""
    asks = (msgspec.structs.replace(ask, any_model=ask.kind in ("commit", "job")) for ask in lane.asks)
    return msgspec.structs.replace(lane, asks=tuple(asks))


def _busy(luck: random.Random, share: float) -> Plan:
    lanes = [
        aider(luck, ENDLESS // 10, Pauses(think=(30.0, 120.0))),
        autocomplete(luck, _spells(luck, 1200.0 * share)),
        batch(luck, (LLAMA,), ENDLESS, width=8),
    ]
    return lanes, 1200.0 * share


def _spells(luck: random.Random, until_s: float) -> list[tuple[float, float]]:
    """Minutes of typing, and minutes of something else."""
    spells, at_s = list[tuple[float, float]](), luck.uniform(10.0, 60.0)
    while at_s < until_s:
        spells.append((at_s, min(until_s, at_s + luck.uniform(180.0, 360.0))))
        at_s = spells[-1][1] + luck.uniform(120.0, 240.0)
    return spells


def _saves(luck: random.Random, spells: Spells, models: Sequence[str]) -> list[Lane]:
    """A file saved every minute or two while its user types; the indexer takes the functions that changed."""
    lanes = []
    for begins_s, ends_s in spells:
        at_s = begins_s + luck.uniform(20.0, 60.0)
        while at_s < ends_s + 30.0:
            lanes.append(batch(luck, models, luck.randint(4, 8), width=4, begins_s=at_s))
            at_s += luck.uniform(60.0, 120.0)
    return lanes


def _saturated(luck: random.Random, share: float) -> Plan:
    return [batch(luck, (LLAMA, DEEPSEEK), ENDLESS, width=8)], 900.0 * share


def _gaps(luck: random.Random, share: float) -> Plan:
    pauses = Pauses(think=(20.0, 90.0), read=(6.0, 25.0), look=(8.0, 30.0))
    return [aider(luck, max(1, round(8 * share)), pauses)], None


def _back_to_back(luck: random.Random, share: float) -> Plan:
    return [ping_pong(luck, max(1, round(15 * share)))], None


_PLANS = {
    "mixed": _mixed,
    "mixed-both": _mixed_both,
    "mixed-any": _mixed_any,
    "busy": _busy,
    "saturated": _saturated,
    "gaps": _gaps,
    "back-to-back": _back_to_back,
}
