"""The budget commands: what they ask of the daemon, and how they end."""

import pytest

from lodestarctl import exit_codes
from lodestard.control.messages import ReloadReport
from lodestard.control.messages.budgets import (
    BudgetHistory,
    BudgetsReport,
    OverrideGiven,
    OverrideRow,
    OverridesTaken,
)
from tests.fakes.command_line import Run

GIVEN = OverrideGiven(override=OverrideRow(id=1, budget="month", value="", until_ms=1))
OK = ReloadReport(ok=True, changed=("budgets.daily.usd",))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("words", "verb", "arguments", "data"),
    [
        (["budget"], "budget.list", {}, BudgetsReport(budgets=())),
        (["budget", "list"], "budget.list", {}, BudgetsReport(budgets=())),
        (["budget", "history", "-n", "3"], "budget.history", {"last": 3}, BudgetHistory(acts=())),
        (
            ["budget", "set", "daily", "--usd", "2.5", "--window", "day", "--soft", "--tokens", "9"],
            "budget.set",
            {"budget": "daily", "usd": "2.5", "window": "day", "hard": "no", "tokens": 9},
            OK,
        ),
        (
            ["budget", "set", "daily", "--hard", "--at-limit", "refuse"],
            "budget.set",
            {"budget": "daily", "hard": "yes", "at_limit": "refuse"},
            OK,
        ),
        (["budget", "unset", "daily"], "budget.unset", {"budget": "daily"}, OK),
        (
            ["budget", "override", "month", "--for", "2h", "--reason", "a release", "--extra", "5"],
            "budget.override",
            {"budget": "month", "for": "2h", "reason": "a release", "extra": "5"},
            GIVEN,
        ),
        (["budget", "revoke", "month"], "budget.revoke", {"budget": "month"}, OverridesTaken(overrides=())),
    ],
)
def test_what_is_asked(run: Run, words: list[str], verb: str, arguments: dict[str, object], data: object) -> None:
    assert run(*words, answers={verb: data}) == exit_codes.OK
    assert run.client.calls == [(verb, arguments)]
    assert run.out


@pytest.mark.parametrize(
    "words",
    [
        ["budget", "set", "daily", "--hard", "--soft"],
        ["budget", "override", "month", "--for", "2h"],
        ["budget", "override", "month", "--reason", "why"],
    ],
)
def test_what_is_no_use(run: Run, words: list[str]) -> None:
    assert run(*words) == exit_codes.USAGE
    assert run.client.calls == []


def test_a_budget_that_is_not_taken_in_is_a_failure(run: Run) -> None:
    assert (
        run("budget", "set", "b", "--usd", "1", answers={"budget.set": ReloadReport(ok=False)}) == exit_codes.FAILURE
    )
