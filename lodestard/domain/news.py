"""What the house tells its modules: figures of what has ended, never a word of prompt or answer."""

from typing import Literal

import msgspec

from lodestard.domain.closing import Closed, Closing
from lodestard.domain.ports import AttemptPort
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Target
from lodestard.domain.usage import Durations, Usage


class AttemptFigures(msgspec.Struct, frozen=True, gc=False):
    """What an attempt came to in the ledger. ``state`` is held (still under way), captured, released or unknown.

    Tokens are those that the ledger believed.
    """

    target: Target
    state: str
    free: bool = False
    cost_nano_usd: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


def attempt_figures(attempt: AttemptPort) -> AttemptFigures:
    """An attempt as it stands now. Pure."""
    usage = attempt.usage
    return AttemptFigures(
        attempt.target,
        attempt.state,
        attempt.free,
        attempt.cost_nano_usd,
        usage.prompt_tokens if usage is not None else 0,
        usage.completion_tokens if usage is not None else 0,
    )


class AttemptEnded(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt has ended. ``outcome`` is ``ok`` or a fault's code; ``first_piece_ns`` is counted from dialling,
    and so is ``answer_ns``, to its end; ``total_ns`` from when it began to wait for its place.

    ``hold_nano_usd`` is what was held for it; ``price`` the version of its price, empty where it was free. ``state``
    is how its money ended (captured, released, unknown), empty where nothing came to be held; ``ordinal`` its number
    in the ledger's request. ``settled`` is what the ledger made of it, None where it was refused before it was held.
    """

    target: Target
    outcome: str
    total_ns: int
    first_piece_ns: int | None
    usage: Usage | None
    durations: Durations | None
    cost_nano_usd: int
    hold_nano_usd: int = 0
    price: str = ""
    request_id: str = ""
    ordinal: int = 0
    state: str = ""
    settled: AttemptFigures | None = None
    answer_ns: int = 0
    streamed: bool = False


class RequestEnded(msgspec.Struct, frozen=True, kw_only=True):
    """One request has ended; ``closing`` says how, ``caller`` who asked, by what it said of itself.

    ``figures`` are those of its row in the ledger, ``settled`` those of its attempts. One that ends later still
    (it is held in ``settled``) is told of by ``AttemptEnded`` alone.
    """

    request_id: str
    caller: Caller
    alias: str
    attempts: int
    cost_nano_usd: int
    closing: Closing
    figures: Closed = Closed()
    settled: tuple[AttemptFigures, ...] = ()


class BudgetAlert(msgspec.Struct, frozen=True, kw_only=True):
    """A budget has come near its limit. Told once a window for each ``level``.

    ``level`` is a percentage, or 0 for a forecast: the window is likely to end above the limit. ``unit`` says what
    ``used`` (with what is held) and ``limit`` count: ``usd`` (nano-USD), ``tokens`` or ``requests``. ``value`` is
    whose it is (a project's name …), empty for the global one.
    """

    budget: str
    scope: str
    value: str
    unit: str
    level: int
    used: int
    limit: int
    window_start_ms: int
    window_end_ms: int | None
    hard: bool
    text: str


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person should hear of, from whoever has noticed it.

    ``key`` tells it from every other: what has been told once is not told again. A later alert of the same ``topic``
    takes the place of this one; after ``until_ms`` it says nothing of the present any more. ``figures`` are for
    programs, never a prompt, an answer or a key.
    """

    key: str
    topic: str
    source: str
    severity: Literal["error", "warning", "info"]
    title: str
    text: str
    until_ms: int | None = None
    figures: dict[str, str | int] = {}
