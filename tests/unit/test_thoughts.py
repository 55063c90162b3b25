"""What was thought before a call comes back with its result, to whoever made the request and to nobody else."""

import msgspec

from lodestard.domain.call_id import invent_call_id
from lodestard.domain.reply import Choice, Reply, ToolCallPiece
from lodestard.domain.request import Conversation, Message, Request, Thought, ToolCall
from lodestard.thoughts import MOST, Thoughts


def thought(text: str) -> Thought:
    return Thought("anthropic", msgspec.Raw(msgspec.json.encode(text)))


def answered(call_id: str, *thoughts: Thought) -> Reply:
    return Reply(choices=(Choice(tool_calls=(ToolCallPiece(0, call_id, "f", "{}"),), thoughts=thoughts),))


def telling(*call_ids: str) -> Request:
    calls = tuple(ToolCall(call_id, "f", "{}") for call_id in call_ids)
    return Request(
        dialect="openai",
        alias="a",
        stream=False,
        include_usage=False,
        members={},
        conversation=Conversation(messages=(Message(role="user"), Message(role="assistant", tool_calls=calls))),
        size_bytes=0,
    )


def restored(thoughts: Thoughts, principal: str, request: Request) -> tuple[Thought, ...]:
    return thoughts.restore(principal, request).conversation.messages[1].thoughts


def test_a_thought_comes_back_with_its_call() -> None:
    thoughts = Thoughts()
    thoughts.keep("ada", answered("c1", thought("hm")))
    assert restored(thoughts, "ada", telling("c0", "c1")) == (thought("hm"),)
    assert restored(thoughts, "ada", telling("c2")) == ()
    assert restored(thoughts, "bob", telling("c1")) == ()


def test_what_needs_nothing_is_left_as_it_is() -> None:
    thoughts = Thoughts()
    request = telling("c1")
    assert thoughts.restore("ada", request) is request
    thoughts.keep("ada", answered("c9", thought("hm")))
    assert thoughts.restore("ada", request) is request
    thoughts.keep("ada", answered("c1"))
    assert thoughts.restore("ada", request) is request


def test_the_oldest_is_forgotten() -> None:
    thoughts = Thoughts()
    for number in range(MOST + 1):
        thoughts.keep("ada", answered(f"c{number}", thought("hm")))
    assert restored(thoughts, "ada", telling("c0")) == ()
    assert restored(thoughts, "ada", telling("c1")) == (thought("hm"),)


def test_large_ones_leave_room_for_no_others() -> None:
    thoughts = Thoughts()
    for number in range(5):
        thoughts.keep("ada", answered(f"c{number}", thought("x" * 4_000_000)))
    assert [bool(restored(thoughts, "ada", telling(f"c{number}"))) for number in range(5)] == [False] + [True] * 4


def test_a_call_that_comes_again_has_its_newest_thought() -> None:
    thoughts = Thoughts()
    thoughts.keep("ada", answered("c1", thought("old")))
    thoughts.keep("ada", answered("c1", thought("new")))
    assert restored(thoughts, "ada", telling("c1")) == (thought("new"),)


def test_a_thought_comes_back_with_a_call_that_lost_its_id() -> None:
    thoughts = Thoughts()
    signed = Thought("gemini", msgspec.Raw(b'"s"'), call_id="c1")
    thoughts.keep("ada", answered("c1", signed))
    made = invent_call_id("f", "{ }")
    assert restored(thoughts, "ada", telling(made)) == (msgspec.structs.replace(signed, call_id=made),)
    assert restored(thoughts, "ada", telling(invent_call_id("f", '{"a":1}'))) == ()


def test_a_thought_is_of_the_upstream_that_had_it() -> None:
    thoughts = Thoughts()
    thoughts.keep("ada", answered("c1", thought("hm")), "openai")
    request = telling("c1")
    assert thoughts.restore("ada", request, "xai") is request
    assert thoughts.restore("ada", request, "openai").conversation.messages[1].thoughts == (thought("hm"),)


def test_what_is_put_back_counts_in_the_size_of_the_request() -> None:
    thoughts = Thoughts()
    thoughts.keep("ada", answered("c1", thought("hm"), thought("well")))
    assert thoughts.restore("ada", telling("c1")).size_bytes == len('"hm"') + len('"well"')
