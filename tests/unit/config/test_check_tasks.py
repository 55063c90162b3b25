"""What is wrong with the rules that tell kinds of work."""

import pytest

from lodestard.domain.task_rule import MOST_RULES
from tests.unit.config.test_check import AUTO, PRICE, UPSTREAM, fault_keys, warnings

HOUSE = UPSTREAM + AUTO + PRICE


def test_sound_rules_have_nothing_to_say() -> None:
    rules = (
        "[[tasks]]\nkind = 'data'\nwords = ['cube*', 'sales figures']\n[[tasks]]\nkind = 'chat'\npattern = '^hi'\n"
    )
    assert warnings(HOUSE + rules) == {}


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        ("kind = 'cooking'\nwords = ['egg']", "tasks[0].kind"),
        ("kind = 'chat'", "tasks[0].words"),
        ("kind = 'chat'\nwords = ['']", "tasks[0].words"),
        ("kind = 'chat'\nwords = ['one two three four five six']", "tasks[0].words"),
        ("kind = 'chat'\npattern = '('", "tasks[0].pattern"),
        ("kind = 'chat'\npattern = '(a+)+$'", "tasks[0].pattern"),
        ("kind = 'chat'\npattern = '.*.*.*.*='", "tasks[0].pattern"),
        ("kind = 'chat'\nwords = ['egg']\nweight = 21", "tasks[0].weight"),
        ("kind = 'chat'\nwords = ['egg']\nwhere = 'tool'", "tasks[0].where"),
    ],
)
def test_what_makes_no_sense(rule: str, key: str) -> None:
    assert list(fault_keys(HOUSE + "[[tasks]]\n" + rule)) == [key]


def test_more_rules_than_anybody_reads() -> None:
    rules = "[[tasks]]\nkind = 'chat'\nwords = ['egg']\n" * (MOST_RULES + 1)
    assert list(fault_keys(HOUSE + rules)) == ["tasks"]
