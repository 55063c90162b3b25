"""F22: the unit's sandbox is tight. That the daemon lives in it is shown in ``tests/systemd``."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.faults.doses import Figure, Tell

UNIT = Path(__file__).parents[2] / "packaging/systemd/lodestard.service"
MOST_EXPOSED = 15
"""In tenths, as ``systemd-analyze`` wants its threshold."""
_EXPOSURE = re.compile(r"Overall exposure level for \S+: ([\d.]+)")


def analyse(unit: Path) -> subprocess.CompletedProcess[str]:
    """What systemd makes of the unit's settings, without running it."""
    command = [
        "systemd-analyze",
        "security",
        "--offline=true",
        f"--threshold={MOST_EXPOSED}",
        "--no-pager",
        str(unit),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def exposure(unit: Path) -> float:
    """From 0 (nothing to attack) to 10, which must be within the threshold."""
    done = analyse(unit)
    level = _EXPOSURE.search(done.stdout)
    assert level is not None, done.stderr
    assert done.returncode == 0, f"exposed: {level[1]}"
    return float(level[1])


@pytest.fixture(autouse=True)
def tool() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("NOT RUN, the sandbox test: missing on this machine: systemd-analyze (systemd)")


def test_the_sandbox_is_tight(tell: Tell) -> None:
    tell(Figure("F22 sandbox", "1", f"exposure {exposure(UNIT)} of at most {MOST_EXPOSED / 10}"))


@pytest.mark.parametrize("left_out", ["SystemCallFilter=", "CapabilityBoundingSet=", "User="])
def test_a_wall_that_is_missing_is_seen(tmp_path: Path, left_out: str) -> None:
    unit = tmp_path / UNIT.name
    lines = UNIT.read_text().splitlines(keepends=True)
    unit.write_text("".join(line for line in lines if not line.startswith(left_out)))
    with pytest.raises(AssertionError, match="exposed"):
        exposure(unit)
