"""Real daemons for measuring: without coverage, which costs time and memory of its own, and with planted defects."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.process import QUIET, Daemon, Overlay, World, environ, overlay
from tests.faults.planted import defective


@contextmanager
def measured(folder: Path, world: World | None, more: Overlay | None = None, defect: str = "") -> Iterator[Daemon]:
    """A daemon that runs until the context is left, with the upstreams of ``world`` if there are any."""
    base = {} if world is None else world.settings()
    daemon = Daemon(folder, overlay(overlay(base, QUIET), more or {}))
    wrap = (sys.executable, defective.__file__, defect) if defect else ()
    try:
        yield daemon.start(wrap=wrap, env=environ(folder, coverage=False))
    finally:
        daemon.end()
    defects = [line for line in daemon.log.splitlines() if "Traceback" in line or "a request failed" in line]
    assert not defects, f"defects in the log: {defects[0][:300]}"
