"""The measurement of predicted waits works: what is told is written down, beside what came."""

import pytest

from tests.bench.gpu.waits import BURST, BURST_SIZE, main, watch


def test_a_burst_is_told_within_its_intervals_from_the_first_request_on() -> None:
    told = watch(BURST, "demo", 1)
    assert len(told) == 4 * BURST_SIZE
    assert all(one.came_s is not None and one.wait is not None for one in told)
    for known, least in ((0, 7), (BURST_SIZE, 7), (2 * BURST_SIZE, 6)):
        burst = [one for one in told if one.known == known]
        within = sum(one.wait.low_s <= (one.came_s or 0) <= one.wait.high_s for one in burst if one.wait)
        assert len(burst) == BURST_SIZE
        assert within >= least, burst


def test_the_same_arguments_give_the_same_figures() -> None:
    assert watch("back-to-back", "x1", 2) == watch("back-to-back", "x1", 2)


def test_the_report_has_a_row_for_each_phase(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--workloads", "back-to-back", "--cards", "x1", "--seeds", "1", "--processes", "1"]) == 0
    told = capsys.readouterr().out
    assert "| back-to-back | x1 | interactive | first 10 | 10 |" in told
    assert "| all | x1 | interactive | 10 to 50 | 20 |" in told
