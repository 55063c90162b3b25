"""Reloads with a defect; the checks must see each."""

import random
import sys
from pathlib import Path

import pytest

from lodestard.control.messages import ConfigProblem, ReloadReport
from tests.fakes.process import Daemon, World, environ
from tests.faults.planted import kept_generations
from tests.faults.reloads import Spoilt, add_unknown, check_refused, write_good
from tests.faults.test_reload import refuse_all, reload_often, with_paced

pytestmark = pytest.mark.daemon


@pytest.mark.parametrize(
    ("defect", "words"),
    [("keep", "descriptors at most"), ("cut", "a stream was cut"), ("half", "was refused changed")],
)
def test_a_daemon_that(world: World, tmp_path: Path, defect: str, words: str) -> None:
    daemon = Daemon(tmp_path, with_paced(world))
    wrap = (sys.executable, kept_generations.__file__, defect)
    try:
        good = write_good(daemon)
        daemon.start(wrap=wrap, env=environ(tmp_path, coverage=False))
        with pytest.raises(AssertionError, match=words):
            if defect == "half":
                refuse_all(daemon, good, 5, random.Random(3))
            else:
                reload_often(daemon, 15)
    finally:
        daemon.kill()  # it may wait for ever for what it keeps
        daemon.end()


def test_a_report_that_names_another_place() -> None:
    spoilt = Spoilt("", 7, "cache.ttl_s", "cache.ttl_s = -1")
    fault = ConfigProblem(key="cache.ttl_s", line=6, message="expected a number above 0")
    for report in (ReloadReport(ok=True), ReloadReport(ok=False), ReloadReport(ok=False, faults=(fault,))):
        with pytest.raises(AssertionError, match=r"taken in|is not named"):
            check_refused(report, spoilt)


def test_a_report_that_tells_the_value() -> None:
    spoilt = add_unknown(
        "[server]\n[cache]\n[ledger]\n[log]\n[upstreams.paid]\n[upstreams.gpu]\n[models.auto]\n", random.Random(1)
    )
    fault = ConfigProblem(key=spoilt.key, line=spoilt.line, message=f"unknown key, {spoilt.text}")
    with pytest.raises(AssertionError, match="echoed"):
        check_refused(ReloadReport(ok=False, faults=(fault,)), spoilt)
