"""What a message tells of the answer before it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.classify.aftermath import LEAST_CHARS, read_aftermath
from lodestard.domain.feedback import SAYS_NOTHING
from lodestard.domain.request import Completion, Conversation, Message, Request, Role, TextPart


def request(text: str, role: Role = "user", **members: object) -> Request:
    message = Message(role=role, parts=(TextPart(text),))
    return Request(
        dialect="openai",
        alias="auto",
        stream=False,
        include_usage=False,
        members={},
        conversation=Conversation(messages=(message,), **members),  # type: ignore[arg-type]
        size_bytes=1,
    )


@pytest.mark.parametrize(
    "text",
    [
        "# 1 SEARCH/REPLACE block failed to match! In words of our own from here on.",
        "# 12 SEARCH/REPLACE blocks failed to match!\n\nIn words of our own.",
        "UnifiedDiffNoMatch: hunk failed to apply!\n\nIn words of our own.",
        "UnifiedDiffNotUnique: hunk failed to apply!\n\nIn words of our own.",
    ],
)
def test_aiders_reply_to_edits_that_did_not_fit_is_known(text: str) -> None:
    assert read_aftermath(request(text)).edit_failed


@pytest.mark.parametrize(
    "text",
    [
        "Why does it say `# 1 SEARCH/REPLACE block failed to match`?",
        "# 2 things failed, but no block of any kind",
        "Please add a test for the parser of dates.",
    ],
)
def test_who_only_speaks_of_it_says_something_else(text: str) -> None:
    assert not read_aftermath(request(text)).edit_failed


def test_little_words_results_and_what_is_no_chat_tell_nothing() -> None:
    long = "x" * LEAST_CHARS
    assert read_aftermath(request("go on")) is SAYS_NOTHING
    assert read_aftermath(request(long, "tool")) is SAYS_NOTHING
    assert read_aftermath(request(long, completion=Completion())) is SAYS_NOTHING
    assert read_aftermath(request(long)).mark


LONG_TEXTS = st.text(max_size=30).map(lambda text: "x" * LEAST_CHARS + text)


@given(LONG_TEXTS, LONG_TEXTS)
def test_the_mark_is_the_messages_and_holds_nothing_of_it(one: str, other: str) -> None:
    first, second = read_aftermath(request(one)), read_aftermath(request(other))
    assert first == read_aftermath(request("".join(list(one))))
    assert (first.mark == second.mark) == (one == other)
    assert all(isinstance(value, int) for value in msgspec.structs.astuple(first))
