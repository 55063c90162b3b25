"""Near names, for "did you mean"."""

import pytest

from lodestard.domain.near import did_you_mean


@pytest.mark.parametrize(
    ("word", "names", "near"),
    [
        ("statsu", ["status", "costs"], "'status'"),
        ("STATUS", ["Status"], "'Status'"),
        ("gpt-4", ["gpt-4o", "gpt-4o-mini"], "'gpt-4o' or 'gpt-4o-mini'"),
        ("abcd", ["abce", "abcf", "abcg", "abch"], "'abch', 'abcg' or 'abcf'"),
        ("xyzzy", ["status"], ""),
        ("", ["status"], ""),
        ("status", [], ""),
        ("x" * 100_000, ["x" * 100], "'" + "x" * 100 + "'"),
    ],
)
def test_near(word: str, names: list[str], near: str) -> None:
    assert did_you_mean(word, names) == near
