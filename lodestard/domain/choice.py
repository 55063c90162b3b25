"""What a choice of who answers is made from: the request as far as it counts for it, and what is known of models."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from lodestard.domain.feedback import Cell
from lodestard.domain.project import ProjectPolicy
from lodestard.domain.request import Caller
from lodestard.domain.routing_settings import Day, Prefer
from lodestard.domain.upstream import Target

MOST_TEXT = 2_048
HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
"""From a time of day to another one, perhaps of the next day."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What routing may look at. ``prompt_tokens`` is an estimate, ``output_tokens`` the request's own limit.

    ``text`` is the beginning of what the user says last, at most ``MOST_TEXT`` characters, and only where a rule
    looks at it. ``minute`` is of the day and ``day`` of the week in the ledger's time zone. ``labels`` were put on it
    before any rule. ``instead`` is the alias that somebody has switched to, whatever is named here or by a rule.
    """

    alias: str
    caller: Caller = Caller()
    prompt_tokens: int = 0
    output_tokens: int | None = None
    images: bool = False
    tools: bool = False
    schema: bool = False
    text: str = ""
    minute: int = 0
    day: Day = "mon"
    labels: frozenset[str] = frozenset()
    instead: str = ""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a target at this moment. None: nothing.

    ``wait_s`` is predicted until its first token; ``first_s`` and ``tokens_per_s`` were measured. ``cells`` are
    what was seen of its answers. ``cached_tokens`` of the prompt it has read before, for this
    session; ``last``: it gave the session's last answer. ``no_room`` says which budget has no room for it.
    """

    wait_s: float | None = None
    first_s: float | None = None
    tokens_per_s: float | None = None
    cells: tuple[Cell, ...] = ()
    cached_tokens: int = 0
    last: bool = False
    no_room: str = ""


UNSEEN = Figures()


class Among(NamedTuple):
    """Targets to choose among, whatever routes there are; ``policy`` is the project's of whoever asks."""

    targets: Sequence[Target]
    prefer: Prefer
    policy: ProjectPolicy | None = None


class Needs(NamedTuple):
    """What makes the offers of an alias differ for one request or another: whether some take no images or no tools,
    and the shortest context of them (0 where none is known)."""

    images: bool
    tools: bool
    context_tokens: int


class Interest(NamedTuple):
    """What rules look at beside what is always known: the task, what the user says, the time of day."""

    task: bool = False
    text: bool = False
    time: bool = False
