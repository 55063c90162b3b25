"""Tool calls and JSON in a model's text: what is found, what is not, and that portions change nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.protocols.emulation.finding import CallFinder
from lodestard.protocols.emulation.json_only import JsonOnly
from lodestard.protocols.emulation.json_span import JsonSpan
from lodestard.protocols.emulation.said_calls import SaidCall, read_calls

NAMES = ("weather", "search")
CALL = '{"tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}]}'
CALL_ALONE = '{"name": "weather", "arguments": {"city": "Oslo"}}'
OSLO = SaidCall("weather", '{"city": "Oslo"}')


def find(text: str, *, step: int = 0) -> tuple[str, list[SaidCall]]:
    finder = CallFinder(NAMES)
    size = step or max(1, len(text))
    said = "".join(finder.feed(text[start : start + size]) for start in range(0, len(text), size))
    return said + finder.finish(), finder.calls


FOUND = {
    "bare": (CALL, "", [OSLO]),
    "blanks around": (f"\n \n  {CALL}\n\n", "", [OSLO]),
    "after words": (f"I look it up.\n{CALL}", "I look it up.\n", [OSLO]),
    "before words": (f"{CALL}\nThat is all.", "That is all.", [OSLO]),
    "in a fence": (f"```json\n{CALL}\n```", "", [OSLO]),
    "in a bare fence": (f"```\n{CALL}\n```\n", "", [OSLO]),
    "in a fence after words": (f"So:\n\n```json\n{CALL}\n```\nDone.", "So:\n\n\nDone.", [OSLO]),
    "in a tag": (f"<tool_call>\n{CALL}\n</tool_call>", "", [OSLO]),
    "two tags": (
        "<tool_call>" + CALL_ALONE + '</tool_call>\n<tool_call>{"name": "search", "arguments": {}}</tool_call>',
        "",
        [OSLO, SaidCall("search", "{}")],
    ),
    "two in a list": (
        '{"tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}, {"name": "search", "arguments": {}}]}',
        "",
        [OSLO, SaidCall("search", "{}")],
    ),
    "two objects": (f"{CALL}\n{CALL}", "", [OSLO, OSLO]),
    "a call alone": ('{"name": "weather", "arguments": {"city": "Oslo"}}', "", [OSLO]),
    "a list alone": ('[{"name": "weather", "parameters": {"city": "Oslo"}}]', "", [OSLO]),
    "Mistral's": ('[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Oslo"}}]', "", [OSLO]),
    "OpenAI's": (
        '{"tool_calls":[{"id":"1","type":"function","function":{"name":"weather","arguments":"{\\"city\\": 1}"}}]}',
        "",
        [SaidCall("weather", '{"city": 1}')],
    ),
    "pretty": (
        json.dumps(json.loads(CALL), indent=2),
        "",
        [SaidCall("weather", '{\n          "city": "Oslo"\n        }')],
    ),
    "a name that was not offered": (
        '{"tool_calls": [{"name": "wether"}]}',
        "",
        [SaidCall("wether", "{}")],
    ),
    "braces in strings": (
        '{"tool_calls": [{"name": "search", "arguments": {"q": "}]}\\"{"}}]}',
        "",
        [SaidCall("search", '{"q": "}]}\\"{"}')],
    ),
}
TEXTS = {
    "words": "The weather is fine.",
    "nothing": "",
    "code": "Look:\n```python\nx = {'tool_calls': 1}\n{}\n```\nDone.\n",
    "a shell fence": "```\nls -l\n```",
    "code with a call in it": f"```python\n{CALL}\n```\nEnd.",
    "an answer in JSON": '{"answer": 42, "tool_calls": []}',
    "a call within an answer": '{"answer": [\n{"name": "weather", "arguments": {}}\n]}',
    "an answer in a fence": '```json\n{"answer": 42}\n```',
    "an object with a name": '{"name": "Ada", "age": 36}',
    "a list": "[1, 2]\n[x]",
    "broken": '{"tool_calls": [{"name": "weather", "argu',
    "not quite JSON": "{'tool_calls': []}",
    "no calls": '{"tool_calls": []} is what I would say',
    "a tag": "<tools>\nhammer\n</tools>",
    "a toolbar": "<toolbar>{}</toolbar>",
    "half a fence": "``",
    "blank lines between": "a\n\n\n  b\n",
    "brackets": "{ } [ ] < `",
    "a brace after words": f"see {CALL}",
}


@pytest.mark.parametrize("case", FOUND)
@pytest.mark.parametrize("step", [0, 1, 2, 3, 7])
def test_what_is_a_call(case: str, step: int) -> None:
    text, rest, calls = FOUND[case]
    said, found = find(text, step=step)
    if case == "pretty":
        assert [json.loads(call.arguments) for call in found] == [{"city": "Oslo"}]
        return
    assert (said, found) == (rest, calls)


@pytest.mark.parametrize("case", TEXTS)
@pytest.mark.parametrize("step", [0, 1, 2, 3, 7])
def test_what_is_text(case: str, step: int) -> None:
    assert find(TEXTS[case], step=step) == (TEXTS[case], [])


def test_text_goes_out_as_soon_as_it_is_no_call() -> None:
    finder = CallFinder(NAMES)
    assert [finder.feed(part) for part in ("The", " wea", "ther\n", " is", " {")] == [
        "The",
        " wea",
        "ther\n",
        " is",
        " {",
    ]
    finder = CallFinder(NAMES)
    assert finder.feed('{"ans') == ""
    assert finder.feed('wer":') == '{"answer":'
    assert finder.feed(" 42}") == " 42}"
    finder = CallFinder(NAMES)
    assert [finder.feed(part) for part in ("``", "`py", "thon\n", "x")] == ["", "", "```python\n", "x"]


def test_a_call_comes_as_soon_as_it_is_whole() -> None:
    finder = CallFinder(NAMES)
    for part in CALL[:-1]:
        assert finder.feed(part) == ""
        assert not finder.calls
    finder.feed(CALL[-1])
    assert finder.calls == [OSLO]


@given(st.text(alphabet='{}[]"`\\<>/tool_c, :\n aname', max_size=120), st.integers(1, 9))
def test_portions_change_nothing_and_no_text_is_lost(text: str, step: int) -> None:
    said, calls = find(text)
    assert find(text, step=step) == (said, calls)
    if not calls:
        assert said == text or (said == "" and not text.strip())


@given(
    st.lists(st.sampled_from([CALL, "\n", "words", "```", "```json\n", "<tool_call>", " ", '{"a": 1}']), max_size=12)
)
def test_portions_change_nothing_around_calls(parts: list[str]) -> None:
    text = "".join(parts)
    assert find(text, step=1) == find(text)


def test_long_arguments_take_linear_time() -> None:
    text = '{"tool_calls": [{"name": "search", "arguments": {"q": "' + "x" * 400_000 + '"}}]}'
    said, calls = find(text, step=4)
    assert said == ""
    assert len(calls[0].arguments) == 400_000 + len('{"q": ""}')


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_span_ends_where_its_json_does(value: object) -> None:
    text = json.dumps([value])
    assert JsonSpan().feed(text + " and more") == len(text)
    span, ends = JsonSpan(), [JsonSpan().feed("")]
    ends = [span.feed(character) for character in text]
    assert ends == [None] * (len(text) - 1) + [1]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"a": 1}', '{"tool_calls": {}}', '{"tool_calls": [{}]}', "[{}]", "\ud800", "[" * 10_000],
)
def test_what_names_no_tool_is_no_call(text: str) -> None:
    assert read_calls(text, NAMES) == []


ONLY = {
    '{"a": 1}': '{"a": 1}',
    '```json\n{"a": 1}\n```\n': '{"a": 1}',
    'Here it is:\n```json\n{"a": [1, {"b": "}"}]}\n```\nAnything else?': '{"a": [1, {"b": "}"}]}',
    'Use {name} so: {\n "a": 1}': '{\n "a": 1}',
    "{}": "{}",
    "I can't do that {really}.": "I can't do that {really}.",
    "{ ": "{ ",
    '{"cut": ': '{"cut": ',
    "": "",
}


@pytest.mark.parametrize("text", ONLY)
@pytest.mark.parametrize("step", [1, 2, 5, 100])
def test_the_json_alone(text: str, step: int) -> None:
    only = JsonOnly("{")
    said = "".join(only.feed(text[start : start + step]) for start in range(0, len(text), step)) + only.finish()
    assert said == ONLY[text]


def test_an_array_alone() -> None:
    only = JsonOnly("[")
    assert only.feed('As [I said: ["a", {}] and so on') + only.finish() == '["a", {}]'


@given(st.text(alphabet='{}[]"\\a \n', max_size=60), st.integers(1, 5))
def test_portions_change_nothing_of_the_json(text: str, step: int) -> None:
    whole, parts = JsonOnly("{"), JsonOnly("{")
    said = "".join(parts.feed(text[start : start + step]) for start in range(0, len(text), step)) + parts.finish()
    assert said == whole.feed(text) + whole.finish()
