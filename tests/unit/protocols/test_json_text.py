"""Strict JSON: what is refused, and that what is accepted is what any other parser reads."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import CallerFault, Code
from lodestard.protocols import json_depth
from lodestard.protocols.json_depth import nests_deeper
from lodestard.protocols.json_text import read_members, read_object, write_object


def refusal(body: bytes, depth: int = 64) -> CallerFault:
    with pytest.raises(CallerFault) as caught:
        read_members(body, depth=depth)
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a":1} x',
        b'{"a":NaN}',
        b'{"a":[Infinity]}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\ud800 and more text"}',
        b'{"a":"\\udc00 and more text"}',
        b'{"a":["\\ud83d\\u0041 and more"]}',
        b'{"a":"\xff"}',
        b'{"a":["\xed\xa0\x80"]}',
        b'{"a":01}',
        b'{"a":"\x01"}',
        b"\xef\xbb\xbf{}",
        b"{'a':1}",
    ],
)
def test_what_is_not_strict_json_is_refused(body: bytes) -> None:
    assert refusal(body).code is Code.INVALID_JSON


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null"])
def test_only_an_object_will_do(body: bytes) -> None:
    assert refusal(body).code is Code.INVALID_REQUEST


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"a":1,"a":1}', "a"),
        (b'{"model":"x", "b":[1], "model":"y"}', "model"),
        (b'{"a":12,"a":1}', "a"),
        (b'{"a":1,"\\u0061":2}', "a"),
        (b'{"x\\"y":1,"x\\"y":{"a":[]}}', 'x"y'),
        (b'{"' + b"k" * 100 + b'":1,"' + b"k" * 100 + b'":2}', "k" * 64 + "…"),
    ],
)
def test_a_key_that_comes_twice_is_refused(body: bytes, key: str) -> None:
    fault = refusal(body)
    assert (fault.code, fault.param) == (Code.INVALID_JSON, key)


@pytest.mark.parametrize(
    "body", [b"{}", b" { } ", b'{"a\\"b":1}', b'\t{ "a" :\n1 , "b":{"a":1,"a":2}\r\n} ', b'{"a":"\\ud83d\\ude00"}']
)
def test_odd_but_strict_json_is_read(body: bytes) -> None:
    members = read_members(body, depth=64)
    assert {key: json.loads(bytes(raw)) for key, raw in members.items()} == json.loads(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=6), st.booleans(), st.sampled_from([None, 1]))
def test_every_object_comes_back_as_it_was(value: dict[str, object], ascii_only: bool, indent: int | None) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    members = read_members(body, depth=64)
    assert json.loads(write_object(members)) == value


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(JSON, st.integers(0, 8), st.booleans())
def test_depth_is_exact_both_ways(value: object, depth: int, spaced: bool) -> None:
    text = json.dumps(value, indent=1 if spaced else None).encode()
    assert nests_deeper(text, depth) == (depth_of(value) > depth)
    assert json_depth._scan(text, depth) == (depth_of(value) > depth)
    assert json_depth._descend(text, depth) == (depth_of(value) > depth)


def test_deep_bodies_are_refused_without_recursion() -> None:
    assert read_members(b'{"a":' * 64 + b"1" + b"}" * 64, depth=64)
    for levels in (65, 900, 200_000):
        fault = refusal(b'{"a":' * levels + b"1" + b"}" * levels)
        assert fault.code is Code.INVALID_REQUEST
        assert "64 levels" in fault.message


def test_a_long_body_is_scanned_in_windows() -> None:
    text = json.dumps({"a": ['{"[\\' * 100] * 4000, "b": [[[1]]], "c": "x" * 100}).encode()
    assert len(text) > 1024 * 1024
    assert not nests_deeper(text, 4)
    assert nests_deeper(text, 3)


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[1]", '{"a":NaN}', "[" * 5000, '{"a":"\ud800"}', '{"a":' * 70 + "1" + "}" * 70]
)
def test_arguments_that_are_no_object(text: str) -> None:
    assert read_object(text, depth=64) is None


def test_arguments_that_are() -> None:
    raw = read_object(' {"a": {"b": [1]}}', depth=64)
    assert raw is not None
    assert json.loads(bytes(raw)) == {"a": {"b": [1]}}


def test_every_depth_about_the_interpreters_own_limit() -> None:
    for levels in range(880, 1010):
        assert refusal(b'{"a":' * levels + b"1" + b"}" * levels).code is Code.INVALID_REQUEST
        assert read_object('{"a":' * levels + "1" + "}" * levels, depth=64) is None


def test_a_duplicate_beside_a_number_that_no_machine_holds() -> None:
    assert refusal(b'{"a":1,"a":' + b"1" * 5000 + b"}").param == "a"
