"""What the models of Anthropic take, by their names: each generation has refused something that the last one took.

Law: a name that tells no version is of the newest. A name that is not Claude's belongs to some other server that
speaks this dialect as it was first written. Sources: Anthropic's migration guides (4.7: no sampling, thinking is
adaptive only; 5: it thinks unless told otherwise; 5.1: no call can be forced); its guides "Effort" (from Opus 4.5
on) and "Mid-conversation system messages" (from 4.8 on); its errors of 2025 ("`temperature` and `top_p` cannot both
be specified for this model").
"""

import re
from functools import lru_cache
from typing import NamedTuple

_VERSION = re.compile(r"(?<!\d)(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_NEWEST = (99, 0)
_FIRST = (0, 0)


class Traits(NamedTuple):
    """``sampling``: temperature, top_p and top_k may be said; ``one_of_two``: not the first two together. ``budget``:
    it thinks within a budget; ``adaptive``: as much as it likes, guided by an effort; neither: it does not
    think. ``effort`` may be said; ``system_turns``: there may be system messages among the others.
    ``shows_by_request``: what it thinks is shown only where that is asked for. ``thinks_unasked``: it
    thinks where nothing is said of it. ``forced_calls``: it can be made to call a tool. ``schemas``: its answer can
    be held to a JSON schema.
    """

    sampling: bool
    one_of_two: bool
    budget: bool
    adaptive: bool
    effort: bool
    system_turns: bool
    shows_by_request: bool
    thinks_unasked: bool
    forced_calls: bool
    schemas: bool


@lru_cache(maxsize=256)
def find_traits(model: str) -> Traits:
    """What ``model`` takes."""
    claude = is_claude(model)
    version = _read_version(model) if claude else _FIRST
    return Traits(
        sampling=version < (4, 7),
        one_of_two=version >= (4, 1),
        budget=not claude or (3, 7) <= version < (4, 6),
        adaptive=version >= (4, 6),
        effort=not claude or version >= (4, 6) or (version == (4, 5) and "opus" in model.lower()),
        system_turns=not claude or version >= (4, 8),
        shows_by_request=version >= (4, 7),
        thinks_unasked=version >= (5, 0),
        forced_calls=version < (5, 1),
        schemas=version >= (4, 5),
    )


def is_claude(model: str) -> bool:
    """Whether it is known what ``model`` takes, and so what it refuses."""
    return "claude" in model.lower()


def _read_version(model: str) -> tuple[int, int]:
    """``claude-opus-4-5-20251101`` → (4, 5): the first number that is no date."""
    found = _VERSION.search(model)
    return (int(found[1]), int(found[2] or 0)) if found is not None else _NEWEST
