"""A verb's arguments: strict, whole, with defaults."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.control.arguments import read_arguments
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.verbs import Argument, Verb

VERB = Verb(
    name="costs",
    summary="what was spent",
    needs="read",
    arguments=(
        Argument(name="by", choices=("model", "day"), default="model"),
        Argument(name="last", kind="integer", default=20),
        Argument(name="all", kind="flag"),
        Argument(name="aliases", kind="list"),
        Argument(name="request", kind="object"),
    ),
)
STRICT = Verb(name="explain", summary="", needs="read", arguments=(Argument(name="id", required=True),))


def test_nothing_given_is_all_defaults() -> None:
    expected = {"by": "model", "last": 20, "all": False, "aliases": None, "request": None}
    assert read_arguments(VERB, b"") == expected
    assert read_arguments(VERB, b"{}") == expected
    assert read_arguments(VERB, b'{"last": null}') == expected


def test_what_is_given_is_taken() -> None:
    body = b'{"by": "day", "last": 3, "all": true, "aliases": ["a"], "request": {"x": [1]}}'
    assert read_arguments(VERB, body) == {
        "by": "day",
        "last": 3,
        "all": True,
        "aliases": ["a"],
        "request": {"x": [1]},
    }


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"{", Code.INVALID_JSON, None),
        (b"\xff", Code.INVALID_JSON, None),
        (b'{"request": ' + b"[" * 100_000, Code.INVALID_JSON, None),
        (b"[]", Code.INVALID_REQUEST, None),
        (b'"text"', Code.INVALID_REQUEST, None),
        (b'{"by": "week"}', Code.INVALID_REQUEST, "by"),
        (b'{"by": 1}', Code.INVALID_REQUEST, "by"),
        (b'{"last": true}', Code.INVALID_REQUEST, "last"),
        (b'{"last": 1.5}', Code.INVALID_REQUEST, "last"),
        (b'{"last": "1"}', Code.INVALID_REQUEST, "last"),
        (b'{"all": 1}', Code.INVALID_REQUEST, "all"),
        (b'{"aliases": "a"}', Code.INVALID_REQUEST, "aliases"),
        (b'{"aliases": [1]}', Code.INVALID_REQUEST, "aliases"),
        (b'{"lats": 1}', Code.INVALID_REQUEST, "lats"),
    ],
)
def test_what_is_wrong_is_named(body: bytes, code: Code, param: str | None) -> None:
    with pytest.raises(CallerFault) as caught:
        read_arguments(VERB, body)
    assert (caught.value.code, caught.value.param) == (code, param)


def test_an_unknown_argument_gets_the_near_ones() -> None:
    with pytest.raises(CallerFault, match="Did you mean 'last'"):
        read_arguments(VERB, b'{"lst": 1}')


def test_a_required_argument_that_is_missing() -> None:
    with pytest.raises(CallerFault, match="id is missing") as caught:
        read_arguments(STRICT, b"{}")
    assert caught.value.param == "id"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.sampled_from(["by", "last", "all", "aliases", "request"]), json_values))
def test_any_object_is_either_refused_by_name_or_read_whole(given_arguments: Mapping[str, Any]) -> None:
    try:
        read = read_arguments(VERB, msgspec.json.encode(given_arguments))
    except CallerFault as fault:
        assert fault.param in given_arguments
    else:
        assert set(read) == {"by", "last", "all", "aliases", "request"}
        assert read["by"] in ("model", "day")
        assert type(read["last"]) is int
        assert type(read["all"]) is bool
