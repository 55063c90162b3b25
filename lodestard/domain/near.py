"""Did you mean…? The nearest of some names, for messages about a name that is not known."""

import difflib
from collections.abc import Iterable

_MAX_CHARS = 128


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The choice that looks most like ``name``, or None where none is near."""
    lower = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(name[:_MAX_CHARS].lower(), lower, n=1)
    return lower[found[0]] if found else None


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """`` Did you mean "x"?``, ready to stand after a sentence, or nothing."""
    near = nearest(name, choices)
    return f' Did you mean "{near}"?' if near is not None else ""
