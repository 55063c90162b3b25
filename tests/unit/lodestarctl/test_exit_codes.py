"""Every code has an exit status, and the statuses are those that scripts were promised."""

import pytest

from lodestarctl import exit_codes
from lodestarctl.exit_codes import EXIT_CODES, exit_code_of
from lodestard.control.messages import Code


def test_every_code_is_in_the_table() -> None:
    assert set(EXIT_CODES) == set(Code)
    assert set(EXIT_CODES.values()) <= {1, 2, 4, 5, 6}


@pytest.mark.parametrize("code", Code)
def test_a_code_over_the_socket_has_its_status(code: Code) -> None:
    assert exit_code_of(code.value) == EXIT_CODES[code]


def test_a_code_of_a_newer_daemon_is_a_failure() -> None:
    assert exit_code_of("not_invented_yet") == exit_codes.FAILURE


def test_the_promised_statuses() -> None:
    promised = (
        exit_codes.OK,
        exit_codes.FAILURE,
        exit_codes.USAGE,
        exit_codes.NOT_RUNNING,
        exit_codes.NOT_PERMITTED,
        exit_codes.BUDGET_REFUSED,
        exit_codes.UNAVAILABLE,
        exit_codes.INTERRUPTED,
    )
    assert promised == (0, 1, 2, 3, 4, 5, 6, 130)
    assert exit_code_of("budget_refused") == 5
    assert exit_code_of("not_permitted") == 4
    assert exit_code_of("upstream_unreachable") == 6
