"""The scanner finds every key's line, also in texts that were made to confuse it."""

import tomllib
from typing import Any

import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from lodestard.config.fault import KeyPath
from lodestard.config.scan import key_lines


def lines(text: str) -> dict[KeyPath, int]:
    tomllib.loads(text)  # the scanner's law: only valid texts
    return key_lines(text)


def test_tables_members_and_dotted_keys() -> None:
    text = 'top = 1\n\n[server]\n# listen = 1\nlisten = ["a"]\nlimits.head = 3\n[models."gpt-3.5".x]\n\'y z\' = 1\n'

    assert lines(text) == {
        ("top",): 1,
        ("server",): 3,
        ("server", "listen"): 5,
        ("server", "listen", 0): 5,
        ("server", "limits"): 6,
        ("server", "limits", "head"): 6,
        ("models", "gpt-3.5", "x"): 7,
        ("models", "gpt-3.5", "x", "y z"): 8,
    }


def test_strings_that_look_like_toml() -> None:
    text = (
        'a = """\n[b]\nc = 1 \\""" """\n'
        "d = '''\ne = \"'''\n"
        'f = "[g] # \\" ="\n'
        "g = ''\n"
        'h = """x"""""\n'
        "i = 1 # j = 2\n"
    )

    assert {path[0]: line for path, line in lines(text).items()} == {"a": 1, "d": 4, "f": 6, "g": 7, "h": 8, "i": 9}


def test_arrays_and_inline_tables_over_lines() -> None:
    text = "a = [ # x\n  1, [2,\n 3],\n { b = 'c', d.e = [ 4 ] },\n]\nf = {}\ng = []\n"

    assert lines(text) == {
        ("a",): 1,
        ("a", 0): 2,
        ("a", 1): 2,
        ("a", 1, 0): 2,
        ("a", 1, 1): 3,
        ("a", 2): 4,
        ("a", 2, "b"): 4,
        ("a", 2, "d"): 4,
        ("a", 2, "d", "e"): 4,
        ("a", 2, "d", "e", 0): 4,
        ("f",): 6,
        ("g",): 7,
    }


def test_arrays_of_tables_and_tables_inside_them() -> None:
    text = "[[a]]\nb = 1\n[a.c]\nd = 1\n[[a]]\nb = 2\n[[a.e]]\n[[a.e]]\nf = 1\n"

    found = lines(text)

    assert found["a", 0, "b"] == 2
    assert found["a", 0, "c", "d"] == 4
    assert found["a", 1] == 5
    assert found["a", 1, "b"] == 6
    assert found["a", 1, "e", 1, "f"] == 9


def test_windows_line_ends_escaped_keys_and_a_missing_last_line_end() -> None:
    assert lines('a = 1\r\n"b\\u0063" = 2020-01-01 10:00:00\r\n[d]\r\ne = -inf') == {
        ("a",): 1,
        ("bc",): 2,
        ("d",): 3,
        ("d", "e"): 4,
    }


def test_where_it_loses_its_way_it_keeps_what_it_found() -> None:
    for rest in (
        "= 1",
        "[",
        "b",
        "b = {",
        "b = [1 2]",
        '"\\x" = 1',
        ".".join("x" * 100) + " = 1",
        "b = " + "[" * 9999,
    ):
        assert key_lines("a = 1\n" + rest)["a",] == 1


KEYS = st.text(min_size=1, max_size=5) | st.sampled_from(["a", "b-c", "1", "=", '"', "'", "[x]", "#", "a.b"])
LEAVES = (
    st.integers(-9, 9)
    | st.booleans()
    | st.text(max_size=8)
    | st.sampled_from(['\n[x]\n"""', "'''", "a = 1", "# \\"])
    | st.floats(allow_nan=False)
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)


def paths(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    found = {path} if path else set()
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        found |= paths(member, (*path, name))
    return found


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.booleans())
def test_every_key_of_any_text_is_found_and_no_other(data: dict[str, Any], multiline: bool) -> None:
    text = tomli_w.dumps(data, multiline_strings=multiline)
    found = lines(text)

    assert set(found) <= paths(tomllib.loads(text))
    assert {path for path in paths(tomllib.loads(text)) if path not in found} <= set(_implicit(tomllib.loads(text)))
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())


def _implicit(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    """Tables that hold nothing but tables are never written out by themselves."""
    if isinstance(value, list):
        return [each for index, member in enumerate(value) for each in _implicit(member, (*path, index))]
    if not isinstance(value, dict):
        return []
    found = [path] if path and all(isinstance(member, dict | list) for member in value.values()) else []
    for name, member in value.items():
        found += _implicit(member, (*path, name))
    return found


@given(st.permutations([("alpha", "one", 1), ("beta", "two", 2), ("gamma", 'th"ree', 3), ("d.elta", "four", 4)]))
def test_lines_stay_right_in_whatever_order_tables_come(tables: list[tuple[str, str, int]]) -> None:
    text = "".join(
        f"# {name}\n" * number + tomli_w.dumps({name: {key: "\n" * number}}, multiline_strings=True)
        for name, key, number in tables
    )
    written = text.splitlines()

    found = lines(text)

    for name, key, _ in tables:
        assert written[found[name,] - 1].strip("[]").strip('"') == name
        assert written[found[name, key] - 1].partition(" = ")[0].strip('"').replace("\\", "") == key
