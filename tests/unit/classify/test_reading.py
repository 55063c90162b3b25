"""What is read of a request: at most 4 KB, from its ends, and what was pasted told from what was said."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.classify.reading import BEGINNING_READ, ENDING_READ, MOST_READ, SYSTEM_READ, read
from lodestard.domain.request import ImagePart, Message, Part, TextPart
from tests.bench.labelled import ask, make_request


def say(role: str, *texts: str) -> Message:
    return Message(role=role, parts=tuple(TextPart(text) for text in texts))  # type: ignore[arg-type]


def test_four_kilobytes_and_no_more() -> None:
    assert MOST_READ == 4096


@given(st.lists(st.text(max_size=3000), min_size=1, max_size=5), st.text(max_size=3000), st.text(max_size=60))
def test_no_more_is_read_however_long_it_is(texts: list[str], system: str, last: str) -> None:
    messages = (say("system", system), say("user", *texts), say("assistant", system), say("user", last))
    reading = read(make_request(messages))
    assert len(reading.system) + len(reading.user) <= MOST_READ + 2


def test_what_is_between_the_ends_makes_no_difference() -> None:
    beginning, end = "a" * BEGINNING_READ, "z" * ENDING_READ
    one = read(ask(f"{beginning}{'error! ' * 10_000}{end}", "s" * SYSTEM_READ + "commit message"))
    other = read(ask(f"{beginning}{'commit ' * 10_000}{end}", "s" * SYSTEM_READ + "something else"))
    assert one == other
    assert "error" not in one.user


def test_parts_are_read_as_one_text() -> None:
    parts: tuple[Part, ...] = (TextPart("fix "), ImagePart(url="x"), TextPart("this"))
    message = Message(role="user", parts=parts)
    assert read(make_request((message,))).user == "fix this"


def test_of_many_parts_the_ends_are_read() -> None:
    texts = ["a" * 1000, "b" * 5000, "c" * 1000]
    user = read(make_request((say("user", *texts),))).user
    assert user.startswith("a" * 1000 + "b")
    assert user.endswith("b" + "c" * 1000)


def test_it_is_what_the_user_said_last_that_counts() -> None:
    messages = (say("user", "write a poem about the sea, please, a long one"), say("assistant", "The sea"))
    later = (*messages, say("user", "now find out why my parser fails on the empty line"), say("tool", "12 files"))
    assert read(make_request(later)).user.startswith("now find out")


def test_where_it_is_next_to_nothing_what_was_said_before_is_read_too() -> None:
    messages = (say("user", "write a poem about the sea"), say("assistant", "Which sea?"), say("user", "any"))
    assert read(make_request(messages)).user == "write a poem about the sea\nany"


def test_a_request_without_words() -> None:
    assert read(make_request(())).user == ""
    assert read(make_request((say("assistant", "hello"),))).said == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Traceback (most recent call last):\n  File \"x.py\", line 3, in f\nKeyError: 'a'", {"trace"}),
        ("diff --git a/x b/x\n@@ -1,2 +1,2 @@\n-one\n+two", {"diff"}),
        ("2025-01-02 10:00:00 ERROR worker died", {"log"}),
        ("| a | b |\n|---|---|\n| 1 | 2 |", {"table"}),
        ("name,age,town\nbo,31,ulm", {"table"}),
        ("SELECT * FROM users", {"sql"}),
        ("<ul>\n  <li>x</li>\n</ul>", {"markup"}),
        ('{"a": 1,\n "b": [2]}', {"json"}),
        ("def f(x):\n    return x + 1", {"code"}),
        ("const total = items.map(x => x.price);", {"code"}),
        ("```\nany words at all in here, and more of them\n```", {"fence", "code"}),
    ],
)
def test_what_was_pasted_is_told_from_what_was_said(text: str, shown: set[str]) -> None:
    reading = read(ask(f"What do you make of it?\n{text}\nThanks!"))
    assert reading.shown >= shown
    assert reading.said.split() == ["What", "do", "you", "make", "of", "it?", "Thanks!"]
    assert reading.lines >= 1


@pytest.mark.parametrize(
    "text",
    [
        "Return the book to the library, it is due on Friday; then call me.",
        "for a friend: which film would you see with your parents?",
        "Please write with care, and select the words that children know.",
        "- milk\n- bread",
    ],
)
def test_sentences_are_no_code(text: str) -> None:
    assert read(ask(text)).said == text


def test_files_bullets_tools_and_lengths_are_counted() -> None:
    text = "Change a/b.py, c.ts and a/b.py again:\n- one\n- two\n1. three"
    reading = msgspec.structs.asdict(read(ask(text)))
    assert (reading["files"], reading["bullets"], reading["size"], reading["tools"]) == (2, 3, len(text), 0)
