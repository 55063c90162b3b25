"""Finds the name that was probably meant. Pure."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``'; did you mean "listen"?'``, or nothing where no known name is near."""
    near = difflib.get_close_matches(name[:100], list(known), n=1, cutoff=0.6)
    return f'; did you mean "{near[0]}"?' if near else ""
