"""How full the fullest hard budget is."""

from hypothesis import given
from hypothesis import strategies as st

from lodestard.budget.fullest import fullest_percent
from lodestard.budget.judge import Standing
from lodestard.budget.rules import Amounts, read_rules
from lodestard.domain.settings import Budget


def standing(spent: Amounts, **settings: object) -> Standing:
    (rule,) = read_rules({"b": Budget(**settings)})  # type: ignore[arg-type]
    return Standing(rule=rule, value="", spent=spent)


def test_only_hard_budgets_count() -> None:
    assert fullest_percent([]) is None
    assert fullest_percent([standing(Amounts(requests=9), requests=10, hard=False)]) is None
    assert fullest_percent([standing(Amounts(requests=9), requests=10)]) == 90


def test_the_fullest_unit_of_the_fullest_budget() -> None:
    one = standing(Amounts(tokens=50, requests=3), tokens=1000, requests=10)
    two = standing(Amounts(tokens=999), tokens=1000)
    assert fullest_percent([one]) == 30
    assert fullest_percent([one, two]) == 99


@given(st.integers(min_value=0, max_value=10**12), st.integers(min_value=1, max_value=10**9))
def test_never_full_before_it_is(spent: int, limit: int) -> None:
    percent = fullest_percent([standing(Amounts(tokens=spent), tokens=limit)])
    assert percent is not None
    assert (percent >= 100) == (spent >= limit)
