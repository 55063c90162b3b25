"""What is wrong with budgets and rate limits."""

import pytest

from tests.unit.config.test_check import AUTO, PRICE, UPSTREAM, fault_keys, warnings

HOUSE = UPSTREAM + AUTO + PRICE


def test_sound_budgets_have_nothing_to_say() -> None:
    budgets = "[budgets.month]\nusd = 20\n[budgets.each]\nscope = 'project'\nwindow = '24h'\ntokens = 5\n"
    rates = "[rate_limits.r]\nscope = 'provider'\nof = 'a'\nrequests_per_minute = 5\n"
    assert warnings(HOUSE + budgets + rates) == {}


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("[budgets.b]\nwindow = 'day'", "budgets.b"),
        ("[budgets.b]\nusd = -1", "budgets.b.usd"),
        ("[budgets.b]\nusd = 1\nwindow = 'year'", "budgets.b.window"),
        ("[budgets.b]\nusd = 1\nof = 'alpha'", "budgets.b.of"),
        ("[budgets.b]\nusd = 1\nscope = 'model'\nof = 'gpt'", "budgets.b.of"),
        ("[budgets.b]\nusd = 1\nalert_at = [0]", "budgets.b.alert_at"),
        ('[budgets."a b"]\nusd = 1', 'budgets."a b"'),
        ("[rate_limits.r]\nscope = 'user'", "rate_limits.r"),
        ('[rate_limits."/"]\nrequests_per_minute = 1', 'rate_limits."/"'),
    ],
)
def test_what_makes_no_sense(table: str, key: str) -> None:
    assert list(fault_keys(HOUSE + table)) == [key]


def test_a_provider_that_is_not_there_is_a_warning() -> None:
    table = "[budgets.b]\nusd = 1\nscope = 'provider'\nof = 'nobody'\n"
    assert list(warnings(HOUSE + table)) == ["budgets.b.of"]
