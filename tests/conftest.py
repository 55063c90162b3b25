"""What every test gets: a process whose settings are put back when the test is over."""

import gc
import logging
from collections.abc import Iterator

import pytest

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
