"""The budget verbs: how budgets stand, and what people do about them."""

from decimal import Decimal
from typing import Any

import pytest

from lodestard.budget.rules import Amounts
from lodestard.control.arguments import read_arguments
from lodestard.control.messages.budgets import BudgetHistory, BudgetsReport, OverrideGiven, OverridesTaken
from lodestard.control.server import list_verbs
from lodestard.control.verbs import core_verbs
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Target
from lodestard.ledger.keeper import Applicant
from tests.fakes.control_desk import NOW_MS, SETTINGS, FakeDesk, make_runtime

HOUR_MS = 3_600_000


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk(make_runtime(SETTINGS))


async def call(desk: FakeDesk, name: str, **arguments: Any) -> Any:
    verb = core_verbs(desk)[name]
    given = {argument.name: argument.default for argument in verb.arguments} | {"who": "ann"} | arguments
    assert verb.answer is not None
    return await verb.answer(given)


def spend(desk: FakeDesk, nano_usd: int) -> None:
    applicant = Applicant(caller=Caller(), target=Target("openai", "m"), free=False, at_ms=NOW_MS)
    charge = desk.budgets.admit(applicant, Amounts(nano_usd, 10, 1), NOW_MS, 0)
    desk.budgets.settle(charge, Amounts(nano_usd, 10, 1), NOW_MS)


async def test_the_list_shows_limits_what_is_spent_and_alerts(desk: FakeDesk) -> None:
    spend(desk, 4_100_000_000)
    report = await call(desk, "budget.list")
    assert isinstance(report, BudgetsReport)
    (row,) = report.budgets
    (line,) = row.lines
    assert (row.name, row.scope, row.window, row.hard, row.at_limit) == ("month", "global", "month", True, "free")
    assert (line.unit, line.limit, line.spent, line.held) == ("usd", 5_000_000_000, 4_100_000_000, 0)
    assert row.start_ms <= NOW_MS < (row.end_ms or 0)
    assert (report.rates[0].name, report.rates[0].requests) == ("all", 60)
    (alert,) = report.banner
    assert "has reached 80 %" in alert


async def test_an_override_is_given_shown_and_taken_back_on_the_record(desk: FakeDesk) -> None:
    given = await call(desk, "budget.override", budget="month", **{"for": "2h"}, reason="release", extra="2.50")
    assert isinstance(given, OverrideGiven)
    assert (given.override.extra, given.override.until_ms) == (2_500_000_000, NOW_MS + 2 * HOUR_MS)
    (row,) = (await call(desk, "budget.list")).budgets
    assert (row.lines[0].configured, row.lines[0].limit, row.overrides) == (
        5_000_000_000, 7_500_000_000, (given.override,),
    )  # fmt: skip
    taken = await call(desk, "budget.revoke", budget="month")
    assert isinstance(taken, OverridesTaken)
    assert taken.overrides == (given.override,)
    spend(desk, 4_100_000_000)
    history = await call(desk, "budget.history", last=10)
    assert isinstance(history, BudgetHistory)
    acts = {act.act: act for act in history.acts}
    assert acts.keys() == {"override", "revoke", "alert"}
    assert (acts["override"].who, acts["override"].text, acts["override"].extra) == ("ann", "release", 2_500_000_000)
    assert "80 %" in acts["alert"].text or "50 %" in acts["alert"].text


@pytest.mark.parametrize(
    ("arguments", "param"),
    [
        ({"for": "soon"}, "for"),
        ({"for": "99w"}, "for"),
        ({"for": "0m"}, "for"),
        ({"reason": "  "}, "reason"),
        ({"reason": "a\x1b[31m"}, "reason"),
        ({"extra": "much"}, "extra"),
        ({"budget": "monht"}, "budget"),
    ],
)
async def test_a_wrong_override_says_what_is_wrong(desk: FakeDesk, arguments: dict[str, str], param: str) -> None:
    usual = {"budget": "month", "for": "2h", "reason": "release"}
    with pytest.raises(CallerFault) as caught:
        await call(desk, "budget.override", **{**usual, **arguments})
    assert caught.value.param == param


async def test_setting_writes_all_members_at_once(desk: FakeDesk) -> None:
    report = await call(desk, "budget.set", budget="daily", usd="$2.50", window="day", hard="no", tokens=1_000)
    assert report.ok
    assert desk.changes == [
        {
            ("budgets", "daily", "tokens"): 1_000,
            ("budgets", "daily", "window"): "day",
            ("budgets", "daily", "usd"): Decimal("2.50"),
            ("budgets", "daily", "hard"): False,
        }
    ]
    await call(desk, "budget.unset", budget="daily")
    assert desk.changes[-1] == {("budgets", "daily"): None}
    acts = (await call(desk, "budget.history", last=10)).acts
    assert {act.text for act in acts} == {"tokens = 1000, window = day, usd = 2.50, hard = False", "taken back"}


@pytest.mark.parametrize("arguments", [{}, {"usd": "many"}, {"usd": "-1"}, {"usd": "nan"}])
async def test_what_can_not_be_set(desk: FakeDesk, arguments: dict[str, str]) -> None:
    with pytest.raises(CallerFault) as caught:
        await call(desk, "budget.set", budget="daily", **arguments)
    assert caught.value.code == Code.INVALID_REQUEST
    assert desk.changes == []


async def test_history_has_a_bound(desk: FakeDesk) -> None:
    with pytest.raises(CallerFault):
        await call(desk, "budget.history", last=10**6)


async def test_an_extra_of_tokens_is_a_count(desk: FakeDesk) -> None:
    from lodestard.budget.rules import read_rules
    from lodestard.domain.settings import Budget

    desk.budgets.open(read_rules({"t": Budget(tokens=100)}), ())
    given = await call(desk, "budget.override", budget="t", **{"for": "1h"}, reason="r", extra="50")
    assert given.override.extra == 50
    with pytest.raises(CallerFault):
        await call(desk, "budget.override", budget="t", **{"for": "1h"}, reason="r", extra="0.5")


def test_who_asks_is_never_what_was_sent(desk: FakeDesk) -> None:
    verb = core_verbs(desk)["budget.revoke"]
    assert read_arguments(verb, b'{"budget": "month"}', "ann")["who"] == "ann"
    with pytest.raises(CallerFault, match="no argument 'who'"):
        read_arguments(verb, b'{"budget": "month", "who": "root"}', "ann")
    listed = {info.name: info for info in list_verbs(core_verbs(desk)).verbs}
    assert [argument.name for argument in listed["budget.revoke"].arguments] == ["budget"]
