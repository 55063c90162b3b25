"""Coverage traces every line, which takes three to six times as long: it need not look at what repeats itself.

Law: the tracer is put back where it was taken away, in the same task: it keeps a stack of the frames that it sees.
"""

import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

FIRST = 10
"""How often coverage looks at what is done again and again in the same way."""

_seen: Counter[str] = Counter()


def is_coverage(tracer: Any) -> bool:
    return type(tracer).__module__.startswith("coverage")


@contextmanager
def looked_at_first(what: str) -> Iterator[None]:
    """Inside, coverage looks at this thread as long as it has not seen ``what`` often enough in this process."""
    tracer = sys.gettrace()
    _seen[what] += 1
    if _seen[what] <= FIRST or not is_coverage(tracer):
        yield
        return
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)


def unlooked(function: Callable[P, T]) -> Callable[P, T]:
    """The same, at which coverage does not look."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        tracer = sys.gettrace()
        if not is_coverage(tracer):
            return function(*args, **kwargs)
        sys.settrace(None)
        try:
            return function(*args, **kwargs)
        finally:
            sys.settrace(tracer)

    return run
