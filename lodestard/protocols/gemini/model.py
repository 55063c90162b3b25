"""What a Gemini model's name tells: its generation, how it is told to think, and where it is asked.

Law: a name that tells nothing is taken for a new one, for old ones leave no more.
Source: Google's "Gemini thinking" and "Thought signatures".
"""

import re
from functools import lru_cache
from urllib.parse import quote

_GENERATION = re.compile(r"(?:models/)?gemini-(?:[a-z]+-)*(\d{1,2})(?:\.(\d{1,2}))?")
_NEWEST = (99, 0)
THINKING_SINCE = (2, 5)
SIGNING_SINCE = (3, 0)
"""From here on calls have ids, thinking has levels, and a call's signature must come back."""

_BUDGETS = {"minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576, "xhigh": 24_576}
_MOST_THOUGHT = {True: (128, 32_768), False: (0, 24_576)}
_LEVELS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high"}


@lru_cache(maxsize=64)
def generation_of(model: str) -> tuple[int, int]:
    """``"gemini-2.5-flash"`` → ``(2, 5)``; what always is the newest one (``gemini-flash-latest``) is above all."""
    found = _GENERATION.match(model)
    return (int(found[1]), int(found[2] or 0)) if found is not None else _NEWEST


@lru_cache(maxsize=64)
def resource_of(model: str) -> str:
    """The model as a path names it: ``models/gemini-2.5-flash``. Tuned ones have a collection of their own."""
    collection, slash, name = model.partition("/")
    if slash and collection in ("models", "tunedModels"):
        return f"{collection}/{quote(name, safe='')}"
    return f"models/{quote(model, safe='')}"


def plan_thinking(model: str, effort: str, tokens: int | None) -> dict[str, object] | None:
    """``thinkingConfig`` for OpenAI's word or for a budget; None for a model that can't think.

    Budgets are Google's own for those words. Level and budget are never said together: that is refused there.
    """
    generation = generation_of(model)
    if generation < THINKING_SINCE:
        return None
    shows = tokens != 0 if tokens is not None else effort != "none"
    if tokens is None and generation >= SIGNING_SINCE:
        return {"thinkingLevel": _level(model, effort), "includeThoughts": shows}
    least, most = _MOST_THOUGHT["pro" in model]
    budget = tokens if tokens is not None else _BUDGETS.get(effort, 0)
    return {"thinkingBudget": min(max(budget, least), most), "includeThoughts": shows}


def never_rests(model: str) -> bool:
    """Whether thinking can't be turned off."""
    return generation_of(model) >= SIGNING_SINCE or "pro" in model


def _level(model: str, effort: str) -> str:
    least = "minimal" if "flash" in model else "low"
    if effort == "medium" and model.removeprefix("models/").startswith("gemini-3-pro"):  # it knows two
        return "high"
    return _LEVELS.get(effort, least)
