"""A key that comes twice, wherever it is; and nothing that only looks like it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.protocols.json_repeats import repeats_a_key

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '[{"type":"image_url","image_url":{"url":"x"},"type":"text","text":"y"}]',
        '{"a":{"b":[{"c":1 , "c" : 1}]}}',
        '{"a":1,"\\u0061":2}',
    ],
)
def test_twice(text: str) -> None:
    assert repeats_a_key(text.encode())


@pytest.mark.parametrize(
    "text",
    ["null", '"a:b"', '{"a":"{\\"b\\":1,\\"b\\":2}"}', '[{"a":1},{"a":2}]', '{"a:":":","b":["\\\\",":"]}', "{}"],
)
def test_once(text: str) -> None:
    assert not repeats_a_key(text.encode())


@given(VALUES, st.sampled_from([None, 1]), st.booleans())
def test_what_a_dictionary_gives_has_each_key_once(value: object, indent: int | None, ascii_only: bool) -> None:
    assert not repeats_a_key(json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode())
