"""What is found now and then is no news: a finding appears when it has held, and goes when it is gone for a while.

Law: pure. One run of looks in a row decides, so a finding that comes and goes at every look neither appears nor,
once it is shown, disappears.
"""

from collections.abc import Mapping, Sequence

import msgspec

from lodestard.domain.telemetry import Finding
from lodestard.modules.gpu.thresholds import Thresholds


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One code: its latest finding, and the run that it is in (``looks`` in a row since ``since_s``).

    ``shown_s``: since when it is shown, None where it is not. ``present``: whether the run is one of its presence.
    ``told``: somebody was told of this appearance.
    """

    finding: Finding
    present: bool
    since_s: float
    looks: int = 1
    shown_s: float | None = None
    told: bool = False


Holdings = Mapping[str, Held]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a look has changed. ``alarms`` need a person, each once an appearance; ``gone`` are shown no more."""

    holdings: Holdings
    appeared: tuple[Held, ...] = ()
    alarms: tuple[Held, ...] = ()
    gone: tuple[Held, ...] = ()


def look(before: Holdings, found: Sequence[Finding], now_s: float, limits: Thresholds) -> Change:
    """The holdings after a look at ``now_s`` that has ``found`` this."""
    by_code = {finding.code: finding for finding in reversed(found)}
    after = {
        code: _step(before.get(code), by_code.get(code), now_s, limits)
        for code in [*before, *(by_code.keys() - before)]
    }
    now = {code: held for code, held in after.items() if held is not None and held.shown_s is not None}
    alarms = [held for held in now.values() if held.finding.severity != "info" and not held.told]
    told = {held.finding.code: msgspec.structs.replace(held, told=True) for held in alarms}
    return Change(
        holdings={code: told.get(code, held) for code, held in after.items() if held is not None},
        appeared=tuple(held for code, held in now.items() if not _was_shown(before.get(code))),
        alarms=tuple(alarms),
        gone=tuple(held for code, held in before.items() if _was_shown(held) and code not in now),
    )


def shown_findings(holdings: Holdings) -> tuple[Finding, ...]:
    """Those that have held and are not gone for good, the longest shown first."""
    shown = [(held.shown_s, held.finding) for held in holdings.values() if held.shown_s is not None]
    return tuple(finding for _, finding in sorted(shown, key=lambda pair: pair[0]))


def _was_shown(held: Held | None) -> bool:
    return held is not None and held.shown_s is not None


def _step(held: Held | None, finding: Finding | None, now_s: float, limits: Thresholds) -> Held | None:
    if held is None:
        assert finding is not None
        return _judge(Held(finding=finding, present=True, since_s=now_s), now_s, limits)
    present = finding is not None
    same = held.present == present
    run = msgspec.structs.replace(
        held,
        finding=finding or held.finding,
        present=present,
        since_s=held.since_s if same else now_s,
        looks=held.looks + 1 if same else 1,
    )
    return _judge(run, now_s, limits)


def _judge(held: Held, now_s: float, limits: Thresholds) -> Held | None:
    """Show it, forget it, or leave it as it is."""
    for_s = now_s - held.since_s
    if held.present:
        if held.shown_s is None and held.looks >= limits.appear_readings and for_s >= limits.appear_s:
            return msgspec.structs.replace(held, shown_s=now_s)
        return held
    if held.shown_s is None or (held.looks >= limits.gone_readings and for_s >= limits.gone_s):
        return None
    return held
