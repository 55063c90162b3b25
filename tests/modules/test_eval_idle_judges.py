"""The judges of the module eval_idle: what each kind of answer is worth beside the paid one."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lodestard.domain.edit_marks import is_divider
from lodestard.domain.json_schema import explain_mismatch
from lodestard.domain.quotes import Quoted
from lodestard.modules.eval_idle.edits import Block, has_blocks, read_blocks, read_listings
from lodestard.modules.eval_idle.judge import Case, Said, Verdict, judge, read_case
from lodestard.modules.eval_idle.likeness import likeness, normalised
from lodestard.modules.eval_idle.patch import apply_blocks, find_path, parses, replace_once
from lodestard.modules.eval_idle.structure import NOTHING, agreement, read_json

FILE = "def double(number):\n    return number * 2\n\n\ndef main():\n    print(double(2))\n"
FILES = {"app/double.py": FILE}


def block(search: str, replace: str, path: str = "app/double.py") -> str:
    return f"{path}\n```python\n<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n```\n"


PAID_EDIT = "Sure.\n\n" + block("    return number * 2\n", "    return number + number\n")


def edit_case(paid: str = PAID_EDIT, task: str = "edit") -> Case:
    return Case(task=task, paid=Said(paid), files=FILES)


def verdict_on(case: Case, text: str) -> Verdict:
    return judge(case, Said(text))


# -- edits ---------------------------------------------------------------------------------------------------------


def test_the_same_edit_is_worth_everything() -> None:
    assert verdict_on(edit_case(), "Other words.\n\n" + PAID_EDIT) == Verdict(
        "edit", 1.0, "1 of 1 edits apply, 0 files broken, 100% of the lines alike"
    )


@pytest.mark.parametrize(
    ("local", "least", "most"),
    [
        ("I would add the number to itself.", 0, 0),
        (block("    return number * 3\n", "    return number + number\n"), 0, 0),  # not in the file
        (block("    return number * 2\n", "    return number * 2\n"), 0, 0),  # changes nothing
        (block("    return number * 2\n", "    return (number\n"), 0, 0),  # no Python any more
        (block("    return number * 2\n", "    return 2 * number\n"), 0.7, 0.8),  # as wanted, in other words
        (block("return number * 2\n", "return number + number\n"), 1, 1),  # spaces as Aider forgives them
        (
            block("    return number * 2\n", "    return number + number\n", "double.py"),
            1,
            1,
        ),  # the folder is missing
        (PAID_EDIT + block("nowhere\n", "x\n"), 0.4, 0.5),  # one of two applies
        (PAID_EDIT.replace(">>>>>>> REPLACE\n", ""), 0, 0),  # no end
        (block("    print(double(2))\n", "    print(double(3))\n"), 0.5, 0.6),  # applies, and is another one
    ],
)
def test_an_edit_is_judged_by_what_it_makes_of_the_file(local: str, least: float, most: float) -> None:
    verdict = verdict_on(edit_case(), local)
    assert verdict.kind == "edit"
    assert least <= verdict.score <= most


def test_an_edit_that_breaks_a_file_that_was_broken_before_is_not_blamed() -> None:
    case = Case(task="edit", paid=Said(block("(\n", "((\n", "a.py")), files={"a.py": "x = (\n"})
    assert verdict_on(case, case.paid.text).score == 1


def test_a_new_file_needs_no_search_text() -> None:
    case = edit_case(block("", "print(1)\n", "new.py"))
    assert verdict_on(case, block("", "print(1)\n", "new.py")).score == 1
    assert verdict_on(case, block("", "print(2)\n", "other.py")).score == 0.5


def test_whole_files_are_edits_where_edits_were_asked_for() -> None:
    paid = "app/double.py\n```\n" + FILE.replace("* 2", "* 3") + "```\n"
    assert verdict_on(edit_case(paid), paid).score == 1
    assert verdict_on(edit_case(paid), paid.replace("* 3", "* (3")).score == 0
    assert verdict_on(edit_case(paid), "```\n" + FILE + "```\n").score == 0
    elided = "app/double.py\n```\ndef double(number):\n    return number * 3\n# ... the rest stays\n```\n"
    assert 0.5 < verdict_on(edit_case(paid), elided).score < 0.8
    assert verdict_on(edit_case(paid, task="chat"), paid).kind == "text"


def test_a_paid_edit_that_does_not_apply_is_no_measure() -> None:
    assert verdict_on(edit_case(block("nowhere\n", "x\n")), PAID_EDIT).kind == "text"


def test_blocks_are_read_as_aider_reads_them() -> None:
    second = "<<<<<<< SEARCH\nz\n=======\n>>>>>>> REPLACE\n```"
    fenced = f"```python\na.py\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n\n{second}"
    assert read_blocks(fenced).found == (Block("a.py", "x\n", "y\n"), Block("a.py", "z\n", ""))
    assert read_blocks("**`b.py`:**\n```\n<<<<< SEARCH\n=====\nnew\n>>>>> REPLACE\n```").found == (
        Block("b.py", "", "new\n"),
    )
    indented = read_blocks("a.py\n```\n  <<<<<<< SEARCH\nx\n  =======\ny\n=======\n")
    assert indented.found == (Block("a.py", "x\n", "y\n"),)
    nameless = read_blocks("words of a sentence\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n")
    assert (nameless.found, nameless.broken) == ((), 1)
    unended = read_blocks("a.py\n<<<<<<< SEARCH\nx\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n")
    assert (len(unended.found), unended.broken) == (1, 1)
    assert has_blocks(fenced)
    assert not has_blocks("about <<<<<<< SEARCH in a sentence")


def test_listings_are_read_whatever_their_fence() -> None:
    text = "I *added* these:\n\na/b.py\n```\nx = 1\n```\n\nREADME.md\n````\n```\ncode\n```\n````\n"
    text += "\nc.html\n<source>\n<p>\n</source>\nend"
    assert read_listings(text) == {"a/b.py": "x = 1\n", "README.md": "```\ncode\n```\n", "c.html": "<p>\n"}
    assert read_listings("a.py\n```\nnever ends") == {}


lines = (
    st.text(alphabet="abc() =\t", max_size=8).map(lambda line: line + "\n").filter(lambda line: not is_divider(line))
)
some = st.lists(lines, max_size=4).map("".join)


@given(st.lists(st.tuples(st.sampled_from(["a.py", "b/c.txt"]), some, some), max_size=3))
def test_blocks_that_were_written_are_read(wanted: list[tuple[str, str, str]]) -> None:
    text = "".join(block(search, replace, path) for path, search, replace in wanted)
    assert read_blocks(text).found == tuple(Block(*each) for each in wanted)


@given(st.text(alphabet="<=> SEARCHREPLACE`\na.py/", max_size=200), st.text(alphabet="<=>`\na.", max_size=200))
def test_whatever_a_model_writes_is_read(text: str, other: str) -> None:
    read_listings(text)
    patched = apply_blocks(read_blocks(text), {"a.py": other})
    assert patched.applied <= patched.total
    assert 0 <= judge(Case(task="edit", paid=Said(text), files={"a.py": other}), Said(other)).score <= 1


@given(some, some.filter(str.strip), some, some)
def test_what_is_in_a_file_is_replaced_there(before: str, search: str, after: str, replace: str) -> None:
    changed = replace_once(before + search + after, search, replace)
    assert changed == (before + search + after).replace(search, replace, 1)


def test_a_path_is_found_where_only_one_can_be_meant() -> None:
    files = {"a/x.py": "", "b/x.py": "", "b/y.py": ""}
    assert [find_path(path, files) for path in ("b/x.py", "y.py", "x.py", "z.py")] == [
        "b/x.py",
        "b/y.py",
        "x.py",
        "z.py",
    ]


@pytest.mark.parametrize(
    ("path", "content", "good"),
    [
        ("a.py", "x = '\\d'\n", True),
        ("a.py", "def f(:\n", False),
        ("a.py", "(" * 10_000, False),
        ("a.py", "\0", False),
        ("a.json", '{"a": [1]}', True),
        ("a.json", '{"a": [1}', False),
        ("a.json", "[" * 100_000, False),
        ("a.toml", "a = 1", True),
        ("a.toml", "a = ", False),
        ("a.rs", "fn (", True),
        ("a.py", "(" * 300_000, True),
    ],
)
def test_files_of_known_kinds_are_parsed(path: str, content: str, good: bool) -> None:
    assert parses(path, content) is good


# -- structure -----------------------------------------------------------------------------------------------------

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": ["integer", "null"]},
        "kind": {"enum": ["cat", "dog"]},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
    },
    "required": ["name", "kind"],
    "additionalProperties": False,
    "$defs": {"tag": {"anyOf": [{"type": "string"}, {"const": 7}]}},
}


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ({"name": "x", "kind": "cat"}, True),
        ({"name": "x", "kind": "cat", "age": None, "tags": ["a", 7]}, True),
        ({"name": "x", "kind": "cat", "age": 3.0}, True),
        ({"name": "x", "kind": "cat", "age": 3.5}, False),
        ({"name": "x", "kind": "cat", "age": True}, False),
        ({"name": "x", "kind": "cow"}, False),
        ({"name": "x"}, False),
        ({"name": "x", "kind": "cat", "more": 1}, False),
        ({"name": "x", "kind": "cat", "tags": ["a", 8]}, False),
        ([], False),
    ],
)
def test_a_schema_is_heeded(value: object, good: bool) -> None:
    assert (not explain_mismatch(value, SCHEMA)) is good


def test_a_schema_that_leads_nowhere_or_round_and_round_ends() -> None:
    assert not explain_mismatch(1, {"$ref": "#/$defs/gone"})
    assert not explain_mismatch(1, {"$ref": "#"})
    assert explain_mismatch(1, False)
    assert not explain_mismatch(1, {"allOf": [{"type": "number"}, {"const": 1}]})


def test_a_schema_that_refers_to_itself_many_times_is_judged_at_once() -> None:
    many = {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}] * 10}}, "allOf": [{"$ref": "#/$defs/a"}]}
    case = Case(paid=Said('{"a": 1}'), json_wanted=True, schema=many)
    assert verdict_on(case, '{"a": 1}').score == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, json_values)
def test_agreement_is_whole_with_oneself_and_the_same_from_both_sides(one: object, other: object) -> None:
    assert agreement(one, one) == 1
    assert 0 <= agreement(one, other) <= 1
    assert agreement(one, other) == pytest.approx(agreement(other, one))


def test_what_is_no_json_is_nothing() -> None:
    assert read_json(' {"a": 1} ') == {"a": 1}
    assert read_json('```json\n{"a": 1}\n```', fenced=True) == {"a": 1}
    assert read_json('```json\n{"a": 1}\n```') is NOTHING
    assert read_json("[" * 100_000) is NOTHING


PAID_JSON = '{"name": "Rex", "kind": "dog", "age": 3}'


@pytest.mark.parametrize(
    ("local", "score"),
    [
        ('{"age": 3, "kind": "dog", "name": "rex"}', 1),
        ('{"name": "Rex", "kind": "dog", "age": 4}', 5 / 6),
        ('{"name": "Rex", "kind": "cow", "age": 3}', 0),
        ('Here it is: {"name": "Rex", "kind": "dog", "age": 3}', 0),
        ("```json\n" + PAID_JSON + "\n```", 0),
        ("", 0),
    ],
)
def test_json_must_be_read_fit_and_say_the_same(local: str, score: float) -> None:
    case = Case(paid=Said(PAID_JSON), json_wanted=True, schema=SCHEMA)
    assert verdict_on(case, local).score == pytest.approx(score)
    assert verdict_on(case, local).kind == "json"


def test_json_that_nobody_asked_for_may_stand_in_a_fence() -> None:
    case = Case(paid=Said("```json\n[1, 2]\n```"))
    assert verdict_on(case, "[1, 2]") == Verdict("json", 1.0, "100% of the values alike")
    assert verdict_on(case, "one and two").score == 0
    assert verdict_on(Case(paid=Said("42")), "42").kind == "short"


# -- tools, short answers, commits, words ----------------------------------------------------------------------------

CALL = ("get_weather", '{"city": "Bern", "days": 2}')


@pytest.mark.parametrize(
    ("calls", "score"),
    [
        ((CALL,), 1),
        ((("get_weather", '{"days": 2.0, "city": "bern"}'),), 1),
        ((("get_weather", '{"city": "Bern", "days": 3}'),), 0.75),
        ((("get_time", CALL[1]),), 0),
        ((("get_weather", "{"),), 0),
        ((CALL, CALL), 0.5),
        ((), 0),
    ],
)
def test_a_call_is_of_the_same_tool_with_the_same_arguments(calls: tuple[tuple[str, str], ...], score: float) -> None:
    verdict = judge(Case(paid=Said("", (CALL,))), Said("text", calls))
    assert (verdict.kind, verdict.score) == ("call", score)


def test_a_tool_that_nobody_should_have_called_is_no_answer() -> None:
    assert judge(Case(paid=Said("It is sunny.")), Said("", (CALL,))) == Verdict("call", 0.0, "0 of 1 calls")
    empty = ("now", "")
    assert judge(Case(paid=Said("", (empty,))), Said("", (("now", "{}"),))).score == 1


@pytest.mark.parametrize(
    ("local", "score"), [("positive", 1), ("**Positive.**", 1), ("negative", 0), ("It is positive", 0), ("", 0)]
)
def test_a_short_answer_is_the_same_or_not(local: str, score: float) -> None:
    verdict = verdict_on(Case(paid=Said("Positive")), local)
    assert (verdict.kind, verdict.score) == ("short", score)


@pytest.mark.parametrize(
    ("local", "least", "most"),
    [
        ("feat: add retries to the client", 1, 1),
        ("feat(client): retry what failed in the client", 0.7, 0.9),
        ("Here is your message:\n\nfeat: add retries to the client", 0, 0),
        ("Add retries to the client", 0, 0),  # the type is missing
        ("feat: " + "x" * 200, 0, 0),
        ("chore: bump versions", 0.5, 0.6),
        ("", 0, 0),
    ],
)
def test_a_commit_message_has_a_form(local: str, least: float, most: float) -> None:
    verdict = verdict_on(Case(task="commit", paid=Said("feat: add retries to the client")), local)
    assert verdict.kind == "commit"
    assert least <= verdict.score <= most


def test_words_alone_say_little() -> None:
    case = Case(paid=Said("The cache keeps answers for one day and forgets the oldest of them first."))
    assert verdict_on(case, case.paid.text).score == 1
    assert verdict_on(
        case, "It keeps answers for a day; the oldest are forgotten first, so the cache stays small."
    ).good
    assert not verdict_on(case, "I am sorry, I can not help with that request today.").good
    assert verdict_on(case, "  \n").score == 0
    assert likeness("", "") == 1
    assert normalised("  `The  Cache`.\n") == "the cache"


def test_what_a_model_thinks_aloud_is_no_part_of_its_answer() -> None:
    assert verdict_on(Case(paid=Said("Positive")), "<think>Let me see.\nNegative?</think>\n\npositive").score == 1


answers = st.text(max_size=80) | st.sampled_from([PAID_EDIT, PAID_JSON, "Positive", "feat: x"])


@example("0:\x0c", "", "", False)
@given(answers, answers, st.sampled_from(["", "edit", "commit"]), st.booleans())
def test_every_score_is_a_share_and_nothing_is_better_than_the_paid_answer(
    paid: str, local: str, task: str, json_wanted: bool
) -> None:
    case = Case(task=task, paid=Said(paid), files=FILES, json_wanted=json_wanted)
    assert 0 <= verdict_on(case, local).score <= 1
    if paid.strip():
        assert verdict_on(case, paid).score == 1


# -- stored requests -----------------------------------------------------------------------------------------------


def quoted(**members: object) -> Quoted:
    raw: Mapping[str, msgspec.Raw] = {name: msgspec.Raw(msgspec.json.encode(each)) for name, each in members.items()}
    return Quoted(id="req_1", members=raw, answer="<think>x</think>yes", calls=(CALL,))


def test_a_stored_request_is_read_with_its_files_and_its_format() -> None:
    listing = f"*added these files to the chat*\n\napp/double.py\n```\n{FILE}```\n"
    messages = [
        {"role": "system", "content": "b.py\n```\nno file\n```"},
        {"role": "user", "content": [{"type": "text", "text": listing}, {"type": "image_url", "image_url": {}}]},
        {"role": "user", "content": None},
    ]
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
    case = read_case("edit", quoted(messages=messages, response_format=wanted))
    assert case == Case(task="edit", paid=Said("yes", (CALL,)), files=FILES, json_wanted=True, schema=SCHEMA)


@pytest.mark.parametrize(
    "members", [{}, {"messages": "x", "response_format": "json"}, {"messages": [1, {"role": "user"}, {"content": 1}]}]
)
def test_what_can_not_be_read_is_not_there(members: dict[str, object]) -> None:
    assert read_case("", quoted(**members)) == Case(paid=Said("yes", (CALL,)))
