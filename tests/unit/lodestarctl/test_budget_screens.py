"""Budgets as people see them."""

import pytest

from lodestarctl.render.budgets import render_budgets, render_given, render_history, render_taken
from lodestarctl.render.plain import paint_plain
from lodestard.control.messages.budgets import (
    BudgetAct,
    BudgetHistory,
    BudgetLine,
    BudgetRow,
    BudgetsReport,
    OverrideGiven,
    OverrideRow,
    OverridesTaken,
    RateRow,
)

END_MS = 1_796_083_200_000
OVERRIDE = OverrideRow(id=1, budget="month", value="", until_ms=END_MS, extra=None, reason="a release", who="ann")


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lodestarctl.render.budgets.moment", lambda ms, _form: "2026-12-01 00:00" if ms else "-")


def budget(spent: int, limit: int | None = 20_000_000_000, **members: object) -> BudgetRow:
    line = BudgetLine(unit="usd", configured=20_000_000_000, limit=limit, spent=spent, held=120_000_000)
    usual = {"name": "month", "scope": "global", "value": "", "window": "month", "hard": True, "at_limit": "free"}
    return BudgetRow(**{**usual, "lines": (line,), "end_ms": END_MS, **members})  # type: ignore[arg-type]


def painted(report: BudgetsReport) -> str:
    return paint_plain(render_budgets(report), width=100)


def test_a_budget_with_room() -> None:
    assert painted(BudgetsReport(budgets=(budget(4_980_000_000),))) == (
        "Budgets\n"
        "\n"
        "  budget  of   window  spent   held   limit    used  begins anew\n"
        "  month   all  month   $4.98  $0.12  $20.00  25.5 %  2026-12-01 00:00\n"
    )


def test_alerts_overrides_softness_and_rates_are_told() -> None:
    report = BudgetsReport(
        budgets=(
            budget(19_000_000_000, None, overrides=(OVERRIDE,)),
            budget(1, name="soft", hard=False, scope="project", value="alpha", end_ms=None),
            budget(30_000_000_000, name="strict", at_limit="refuse"),
        ),
        rates=(RateRow(name="slow", scope="user", requests=60),),
        banner=("The budget 'month' has reached 95 %.",),
    )
    text = painted(report)
    for part in (
        "! The budget 'month' has reached 95 %.",
        "lifted",
        "month is lifted altogether until 2026-12-01 00:00 by ann: a release.",
        "soft is soft: it alerts and refuses nothing.",
        "project alpha",
        "strict refuses what does not fit",
        "each user",
        "60",
    ):
        assert part in text


def test_no_budget_says_how_to_set_one() -> None:
    assert "lodestarctl budget set month --usd 20" in painted(BudgetsReport(budgets=()))


def test_an_override_given_and_taken() -> None:
    given = paint_plain(render_given(OverrideGiven(override=OVERRIDE)), width=80)
    assert "month is lifted altogether until 2026-12-01 00:00." in given
    assert "lodestarctl budget revoke month" in given
    assert "1 override taken back" in paint_plain(render_taken(OverridesTaken(overrides=(OVERRIDE,))), width=80)
    assert "no override" in paint_plain(render_taken(OverridesTaken(overrides=())), width=80)


def test_the_history_cleans_what_it_shows() -> None:
    act = BudgetAct(at_ms=1, act="override", budget="b", value="a\x1b[31m", until_ms=2, text="why", who="ann")
    text = paint_plain(render_history(BudgetHistory(acts=(act,))), width=100)
    assert "\x1b" not in text
    assert "until 2026-12-01 00:00: why" in text
