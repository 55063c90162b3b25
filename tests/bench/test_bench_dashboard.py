"""The dashboard's benchmark measures a real screen over a real ledger, and says where a limit is not kept."""

from pathlib import Path

import pytest

from tests.bench.dashboard import MOST_MB, Measured, measure, report


@pytest.mark.daemon
def test_it_measures_a_screen_of_a_small_ledger(tmp_path: Path) -> None:
    measured = measure(tmp_path, 9_000, 28, 0.5)
    assert len(measured.keys_ms) + measured.missed == 28
    assert len(measured.keys_ms) > 14  # a day that has just begun has few rows to move through
    assert 0 < measured.resident_mb < MOST_MB
    assert 0 < measured.second_frame_s < 30
    assert "| key to paint, p95 |" in "\n".join(report(measured))


def test_a_limit_that_is_not_kept_fails() -> None:
    good = Measured(1, core=0.01, resident_mb=50, keys_ms=[1.0] * 30)
    assert good.kept
    assert not Measured(1, core=0.03, resident_mb=50, keys_ms=[1.0] * 30).kept
    assert not Measured(1, core=0.01, resident_mb=90, keys_ms=[1.0] * 30).kept
    assert not Measured(1, core=0.01, resident_mb=50, keys_ms=[1.0] * 20 + [80.0] * 10).kept
    assert not Measured(1, core=0.01, resident_mb=50, keys_ms=[1.0] * 30, missed=1).kept
    assert not Measured(1).kept
