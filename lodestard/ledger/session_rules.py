"""When a session goes on, when another one begins, whose requests it takes, and what it is called. Pure.

Law: requests of another principal are never of one's session; those of another project, user or client are only where
somebody said so (a name that a client sends, a ``session start``).
"""

import re
from datetime import UTC, datetime
from typing import Literal

import msgspec

from lodestard.domain.request import Caller

Origin = Literal["named", "asked", "gap"]
MS_PER_S = 1_000
MS_PER_MINUTE = 60_000
MAX_PREFIX = 24
NAMELESS = "session"
_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_PLACES = 3
_MOST = len(_DIGITS) ** _PLACES
_UNFIT = re.compile(r"[^a-z0-9]+")


class SessionRules(msgspec.Struct, frozen=True, kw_only=True):
    """``[sessions]`` in milliseconds. ``max_ms`` 0: a session may last as long as it likes."""

    idle_gap_ms: int = 1_800_000
    max_ms: int = 0


class SessionRow(msgspec.Struct, frozen=True, gc=False):
    """A session as its table has it; the members are its columns, in order."""

    id: str
    origin: str
    principal: str
    project: str
    user: str
    client: str
    started_ms: int
    last_ms: int
    ended_ms: int | None = None
    last_target: str = ""


def is_silent(last_ms: int, now_ms: int, rules: SessionRules) -> bool:
    """Whether nothing was heard for longer than the idle gap."""
    return now_ms - last_ms > rules.idle_gap_ms


def is_overlong(started_ms: int, at_ms: int, rules: SessionRules) -> bool:
    """Whether a session that began then takes no more requests."""
    return 0 < rules.max_ms < at_ms - started_ms


def claims(asked: Caller, caller: Caller) -> bool:
    """Whether a session that was asked for takes a request without one: nothing that it says speaks against it."""
    return (
        asked.principal == caller.principal
        and asked.client in ("", caller.client)
        and (not asked.project or caller.project in ("", asked.project))
        and (not asked.user or caller.user in ("", asked.user))
    )


class SessionIds:
    """Makes ids such as ``aider-20261125-2103-k3f``: who, the minute (UTC), and where in the minute.

    Law: of one name, later ids are greater, also within a minute and when the clock is stepped back.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = (0, 0)

    def next_id(self, name: str, now_ms: int) -> str:
        """An id that this object has never given."""
        minute, rest_ms = divmod(now_ms, MS_PER_MINUTE)
        place = (minute, rest_ms * _MOST // MS_PER_MINUTE)
        if place <= self._last:
            minute, step = self._last
            place = (minute, step + 1) if step + 1 < _MOST else (minute + 1, 0)
        self._last = place
        stamp = datetime.fromtimestamp(place[0] * MS_PER_MINUTE // MS_PER_S, UTC).strftime("%Y%m%d-%H%M")
        return f"{fit_name(name)}-{stamp}-{_write(place[1])}"


def fit_name(name: str) -> str:
    """A client's or project's name as the beginning of an id: short, lower case, easy to type."""
    return _UNFIT.sub("-", name.lower())[:MAX_PREFIX].strip("-") or NAMELESS


def _write(number: int) -> str:
    return "".join(_DIGITS[number >> shift & 31] for shift in (10, 5, 0))


def refusal(session_id: str, lasted_ms: int, rules: SessionRules) -> str:
    """What a client is told whose session is older than it may be."""
    return (
        f"The session {session_id} has lasted {_span(lasted_ms)}, longer than the {_span(rules.max_ms)} that "
        f"[sessions] max_s allows. To go on: `lodestarctl session end {session_id}`, and the next request begins a "
        "new one."
    )


def _span(duration_ms: int) -> str:
    minutes, seconds = divmod(duration_ms // MS_PER_S, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
