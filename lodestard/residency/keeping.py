"""Which model should be in memory while nobody waits. Pure.

Law: a wish never delays a request: the planner grants it only while the card is idle, and a load that it began is
given up for whoever comes. In this order: what is pinned; what is likely to be asked for next; the default after a
spell of quiet; what went for other options or is warm, where there is room.
"""

import msgspec

from lodestard.residency.view import Wish

NEVER = float("inf")


class Keeping(msgspec.Struct, frozen=True, kw_only=True):
    """What a wish goes by. ``quiet_from_s``: when the last request ended, or the daemon started.

    ``guess`` is what is likely to be asked for next, empty where nobody knows. ``refused`` are models that could not
    be loaded lately. ``room``: one more model fits beside those that are there. ``anew`` are models that went only to
    be loaded with other options.
    """

    now_s: float
    quiet_from_s: float
    quiet_s: float
    resident: frozenset[str] = frozenset()
    pinned: tuple[str, ...] = ()
    warm: tuple[str, ...] = ()
    anew: tuple[str, ...] = ()
    default: tuple[str, ...] = ()
    guess: str = ""
    guess_percent: int = 0
    refused: frozenset[str] = frozenset()
    room: bool = False


def choose_wish(keeping: Keeping) -> Wish | None:
    """The model that should be loaded now, if the card is idle; None where all is as it should be."""

    def missing(models: tuple[str, ...]) -> str:
        absent = (model for model in models if model not in keeping.resident and model not in keeping.refused)
        return next(absent, "")

    if model := missing(keeping.pinned):
        return Wish(model=model, reason="it is pinned")
    if model := missing((keeping.guess,) if keeping.guess else ()):
        return Wish(model=model, reason=f"likely to be asked for next ({keeping.guess_percent} %)", guessed=True)
    if keeping.now_s >= quiet_ends_s(keeping) and (model := missing(keeping.default)):
        return Wish(model=model, reason="the default comes back when all is quiet")
    if keeping.room and (model := missing(keeping.anew)):
        return Wish(model=model, reason="it has other options now")
    if keeping.room and (model := missing(keeping.warm + keeping.default)):
        return Wish(model=model, reason="it is kept warm")
    return None


def quiet_ends_s(keeping: Keeping) -> float:
    """When the spell of quiet has lasted long enough."""
    return keeping.quiet_from_s + keeping.quiet_s


def next_look_s(keeping: Keeping) -> float:
    """When to choose anew, where nothing happens before; infinite where that would change nothing."""
    waiting = set(keeping.default) - keeping.resident - keeping.refused
    return quiet_ends_s(keeping) if waiting and keeping.now_s < quiet_ends_s(keeping) else NEVER


def may_renew(model: str, keeping: Keeping) -> bool:
    """Whether the keep-alive of an idle model in memory is renewed before the server forgets it."""
    return model in keeping.pinned or model in keeping.warm or model in keeping.default
