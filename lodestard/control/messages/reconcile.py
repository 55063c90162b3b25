"""Bills beside the ledger: what looks found."""

from collections.abc import Mapping

from lodestard.control.envelope import Message


class LookRow(Message, frozen=True):
    """A look at a UTC day of an upstream. ``final``: nobody looks again by themselves.

    ``change_nano_usd`` is what this look moved to the book ``unreconciled``; ``detail`` has tokens, where known.
    """

    upstream: str
    day: str
    ours_nano_usd: int
    theirs_nano_usd: int
    at_ms: int = 0
    alarmed: bool = False
    final: bool = False
    new: bool = True
    change_nano_usd: int = 0
    detail: Mapping[str, str | int | bool] = {}


class ReconcileProblem(Message, frozen=True):
    """A bill that could not be seen."""

    upstream: str
    what: str


class ReconcileReport(Message, frozen=True):
    """``unreconciled_nano_usd`` is what providers billed beyond what the ledger knows of, in all."""

    looks: tuple[LookRow, ...] = ()
    problems: tuple[ReconcileProblem, ...] = ()
    unreconciled_nano_usd: int = 0
