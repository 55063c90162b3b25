"""Labels in a key: what is one, what it names, and what is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.classify.key_label import NO_LABEL, KeyLabel, find_key_label, read_key_label


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("Bearer lodestar:alpha", KeyLabel("alpha")),
        ("bearer  lodestar:alpha:review", KeyLabel("alpha", "review")),
        ("lodestar:alpha:review:ann", KeyLabel("alpha", "review", "ann")),
        ("lodestar::review", KeyLabel("", "review")),
        ("lodestar:::ann", KeyLabel("", "", "ann")),
        ("Lodestar:Alpha", KeyLabel("Alpha")),
        ("lodestar:a:b:c:d", KeyLabel("a", "b", "c:d")),
        ("lodestar: a b :\x1b[31m", KeyLabel("a b", "[31m")),
        ("lodestar:", KeyLabel()),
        ("lodestar", NO_LABEL),
        ("sk-lodestar:alpha", NO_LABEL),
        ("Basic lodestar:alpha", NO_LABEL),
        ("none", NO_LABEL),
        ("", NO_LABEL),
    ],
)
def test_a_key_names_project_session_and_user(value: str, label: KeyLabel) -> None:
    assert read_key_label(value) == label


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "api-key"])
def test_any_header_that_carries_a_key_may_carry_labels(name: str) -> None:
    assert find_key_label({name: "lodestar:alpha"}).project == "alpha"


def test_a_real_key_beside_a_label_is_passed_by() -> None:
    headers = {"authorization": "Bearer sk-real", "api-key": "lodestar:alpha"}
    assert find_key_label(headers) == KeyLabel("alpha")
    assert find_key_label({"authorization": "Bearer sk-real"}) == NO_LABEL


@given(st.text())
def test_what_is_read_is_short_and_printable(key: str) -> None:
    for field in read_key_label(f"lodestar:{key}"):
        assert len(field) <= 64
        assert field.isprintable()
        assert field == field.strip()


@given(st.text().filter(lambda text: not text.strip().lower().startswith(("lodestar:", "bearer"))))
def test_a_key_that_is_no_label_names_nothing(key: str) -> None:
    assert read_key_label(key) is NO_LABEL
