"""The nearest names to a word that nobody knows, for "did you mean". Pure."""

from collections.abc import Iterable

MOST = 3
CUTOFF = 0.6
MAX_CHARS = 128


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """The names that are most like ``word``, best first, as ``'a', 'b' or 'c'``; empty where none is near."""
    import difflib  # those alone who mistyped pay for it: the command line starts without

    by_folded = {name.lower(): name for name in names}
    hits = difflib.get_close_matches(word[:MAX_CHARS].lower(), by_folded, MOST, CUTOFF)
    near = [repr(by_folded[hit]) for hit in hits]
    if len(near) < 2:
        return "".join(near)
    return f"{', '.join(near[:-1])} or {near[-1]}"
