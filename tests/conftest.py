"""What every test gets: a process whose settings are put back when the test is over."""

import functools
import gc
import logging
import os
import sys
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from _pytest.assertion import rewrite
from hypothesis import HealthCheck, settings

from tests.fakes.looked_at import FIRST, is_coverage, unlooked

# Properties by the dose, as faults are; machines are shared, so no example is held to a time.
_DOSE = int(os.environ.get("LODESTAR_DOSE") or 0)
settings.register_profile(
    "house", max_examples=100 * _DOSE or 50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")

LOGGERS = tuple(logging.getLogger(name) for name in ("", "lodestard", "__main__"))


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    """A house in this process sets levels of logging and the collector's thresholds; no other test shall notice."""
    levels = [(logger, logger.level, list(logger.handlers)) for logger in LOGGERS]
    thresholds = gc.get_threshold()
    yield
    for logger, level, handlers in levels:
        logger.setLevel(level)
        logger.handlers[:] = handlers
    gc.set_threshold(*thresholds)


# pytest rewrites what tests assert as it reads them: next to half of a first run's collection, were that traced.
rewrite._rewrite_test = unlooked(rewrite._rewrite_test)

# Coverage looks at the first examples of a property, which show it next to all that the others do, and not at a test
# that says that it repeats itself.


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A test as it is; where coverage traces, only as much of it as shows something new."""
    tracer, property_ = sys.gettrace(), getattr(pyfuncitem.obj, "hypothesis", None)
    repeats = pyfuncitem.get_closest_marker("repeats") is not None
    if not is_coverage(tracer) or not (property_ or repeats):
        return (yield)
    inner_test = property_.inner_test if property_ else None
    if property_ and not repeats:
        property_.inner_test = _looked_at_first(inner_test, tracer)
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)
        if property_:
            property_.inner_test = inner_test


def _looked_at_first(test: Any, tracer: Any) -> Callable[..., object]:
    """``test``, traced the first times that it is called."""
    left = FIRST

    @functools.wraps(test)
    def example(*args: Any, **kwargs: Any) -> object:
        nonlocal left
        left -= 1
        if left < 0:
            return test(*args, **kwargs)
        sys.settrace(tracer)
        try:
            return test(*args, **kwargs)
        finally:
            sys.settrace(None)

    return example
