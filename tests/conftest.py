"""What every test gets: a process whose settings are put back when the test is over."""

import gc
import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

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
