"""The one-file programs in a bare Debian 12 with nothing but Python and no network; two builds are the same."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.conftest import build_onefile
from tests.systemd.debian import debian_tree, missing_tools, run
from tests.systemd.product import ROOT

MAX_BYTES = 25_000_000
CTL_MAX_BYTES = 2_500_000
CONFIG = ROOT / "config/lodestard.toml"


@pytest.fixture(scope="module")
def told(programs: Path) -> dict[str, Any]:
    """What ``bare.py`` met in there."""
    if why := missing_tools():
        pytest.skip(f"NOT RUN, the one-file programs in a bare Debian: {why}")
    binds = {
        programs: "/opt/onefile",
        CONFIG: "/opt/lodestard.toml",
        Path(__file__).with_name("bare.py"): "/opt/bare.py",
    }
    said = run(
        *("systemd-nspawn", "--quiet", "--directory", str(debian_tree()), "--volatile=overlay", "--register=no"),
        *("--keep-unit", "--private-network", "--as-pid2", "--pipe"),
        *(f"--bind-ro={outside}:{inside}" for outside, inside in binds.items()),
        *("/usr/bin/python3", "/opt/bare.py"),
    )
    found = json.loads(said)
    assert isinstance(found, dict)
    return found


@pytest.mark.systemd
def test_two_first_starts_at_once_do_not_meet(told: dict[str, Any]) -> None:
    assert [status for _, status in told["cold"]] == [0, 0]
    assert len({out for out, _ in told["cold"]}) == 1
    assert len(told["states"]) == 1  # and nothing half unpacked beside it


@pytest.mark.systemd
def test_it_starts_quickly_once_it_is_unpacked(told: dict[str, Any]) -> None:
    print({name: told[name]["s"] for name in ("ctl_cold", "ctl_warm", "warm")})  # noqa: T201 - figures, not a check
    assert told["ctl_cold"]["status"] == told["ctl_warm"]["status"] == told["warm"]["status"] == 0
    assert told["ctl_warm"]["out"].startswith("usage: lodestarctl")


@pytest.mark.systemd
def test_the_example_configuration_passes_its_check(told: dict[str, Any]) -> None:
    assert told["check"]["status"] == 0, told["check"]


@pytest.mark.systemd
def test_the_demo_answers_and_names_the_ctl_beside_it(told: dict[str, Any]) -> None:
    assert told["answer"]
    assert "/opt/onefile/lodestarctl status" in told["said"]
    assert json.loads(told["status"]["out"])["data"]["state"] == "ready", told["status"]


@pytest.mark.systemd
def test_its_own_processes_run(told: dict[str, Any]) -> None:
    prices = json.loads(told["prices"]["out"])["data"]
    assert prices["list_version"], prices
    assert len(told["export"]["out"].splitlines()) == 1, told["export"]
    assert told["verified"]["status"] == 0, told["verified"]


@pytest.mark.systemd
def test_the_small_ctl_has_the_daemons_file_read_the_ledger(told: dict[str, Any]) -> None:
    assert told["exported_offline"]["status"] == 0, told["exported_offline"]
    assert len(told["exported_offline"]["out"].splitlines()) == 2


@pytest.mark.systemd
def test_it_begins_anew_from_its_file(told: dict[str, Any]) -> None:
    assert told["restart"]["status"] == 0, told["restart"]
    assert told["answer_after"]
    assert "/opt/onefile/lodestard" in told["command"]
    assert told["ended"] == 0


@pytest.mark.systemd
def test_it_speaks_to_a_service_manager(told: dict[str, Any]) -> None:
    assert told["notified"].startswith("READY=1")
    assert told["notified_ended"] == 0


def test_the_files_are_small(programs: Path) -> None:
    assert (programs / "lodestard").stat().st_size <= MAX_BYTES
    assert (programs / "lodestarctl").stat().st_size <= CTL_MAX_BYTES


def test_two_builds_are_the_same_to_the_byte(programs: Path, tmp_path: Path) -> None:
    again = build_onefile(tmp_path / "elsewhere", "--only", "lodestarctl", cached=False)
    assert (again / "lodestarctl").read_bytes() == (programs / "lodestarctl").read_bytes()
    shutil.rmtree(again)
