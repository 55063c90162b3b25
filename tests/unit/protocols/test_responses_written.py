"""What a Responses client gets: built events and bodies, judged by OpenAI's own types; and what passes through."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from lodestard.domain.errors import BudgetFault, CallerFault, Code, Fault, HouseFault, UpstreamFault
from lodestard.domain.reply import Choice, Finish, Piece, Reply, ToolCallPiece, assemble, disassemble
from lodestard.domain.request import Thought
from lodestard.domain.usage import Usage
from lodestard.protocols.responses.client import Responses, StreamWriter

EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
TOOLS = [
    {"type": "function", "name": "f"},
    {"type": "custom", "name": "patch"},
    {"type": "namespace", "name": "agents", "description": "", "tools": [{"type": "function", "name": "spawn"}]},
]
USAGE = Usage(prompt_tokens=30, completion_tokens=4, cached_tokens=10, cache_write_tokens=2, reasoning_tokens=3)


class Desk:
    """A codec that has read a request, and what it kept."""

    def __init__(self, **members: Any) -> None:
        self.kept: list[tuple[dict[str, Any], list[str]]] = []
        self.codec = Responses(keep=lambda body, _items, ids: self.kept.append((json.loads(body), list(ids))))
        body = {"model": "alias", "input": "hi", "stream": True, "tools": TOOLS, **members}
        self.request = self.codec.read_request(json.dumps(body).encode(), depth=64, headers={})

    def writer(self) -> StreamWriter:
        return self.codec.stream_writer(self.request, created=17, reply_id="req_0abc")

    def stream(self, pieces: Sequence[Piece]) -> list[dict[str, Any]]:
        writer = self.writer()
        return events(writer.open() + b"".join(writer.write([piece]) for piece in pieces) + writer.close())

    def reply(self, reply: Reply) -> dict[str, Any]:
        body = self.codec.write_reply(reply, self.request, created=17, reply_id="req_0abc")
        Response.model_validate_json(body)
        return dict(json.loads(body))


def events(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream, each checked by OpenAI's types; their numbers run."""
    found = []
    *blocks, last = stream.split(b"\n\n")
    assert last == b""
    for block in blocks:
        kind, data = block.split(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        assert kind.decode() == f"event: {event['type']}"
        EVENTS.validate_python(event)
        found.append(event)
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    return found


def kinds(found: Sequence[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in found]


# -- built ---------------------------------------------------------------------------------------------------------


def test_a_stream_of_everything_in_its_order() -> None:
    desk = Desk()
    found = desk.stream(
        [
            Piece(reasoning="h", model="llama3.1:8b"),
            Piece(reasoning="m"),
            Piece(text="he"),
            Piece(),
            Piece(text="y"),
            Piece(tool_calls=(ToolCallPiece(0, "c", "f", '{"a"'), ToolCallPiece(1, "d", "spawn", "{}"))),
            Piece(tool_calls=(ToolCallPiece(0, arguments=":1}"),)),
            Piece(finish="tool_calls"),
            Piece(usage=USAGE),
        ]
    )
    assert kinds(found) == [
        "created", "in_progress",
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.delta", "reasoning_summary_text.done", "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.delta", "output_text.done",
        "content_part.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta", "output_item.added", "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done", "output_item.done", "function_call_arguments.done", "output_item.done",
        "completed",
    ]  # fmt: skip
    whole = found[-1]["response"]
    assert (whole["id"], whole["status"], whole["model"], whole["created_at"]) == (
        "resp_0abc", "completed", "llama3.1:8b", 17,
    )  # fmt: skip
    assert whole["output"] == [
        {"id": "rs_0abc_0", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"id": "msg_0abc_1", "type": "message", "status": "completed", "role": "assistant",
         "content": [{"type": "output_text", "text": "hey", "annotations": [], "logprobs": []}]},
        {"type": "function_call", "status": "completed", "id": "fc_0abc_2", "call_id": "c", "name": "f",
         "arguments": '{"a":1}'},
        {"type": "function_call", "status": "completed", "id": "fc_0abc_3", "call_id": "d", "name": "spawn",
         "namespace": "agents", "arguments": "{}"},
    ]  # fmt: skip
    assert whole["usage"] == {
        "input_tokens": 30,
        "input_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 2},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 34,
    }
    done = [event["item"] for event in found if event["type"] == "response.output_item.done"]
    assert done == whole["output"]
    assert desk.kept == [(whole, ["resp_0abc"])]


def test_the_bytes_of_a_short_stream() -> None:
    writer = Desk(tools=[]).writer()
    writer.write([Piece(text="he")])
    assert writer.write([Piece(text='"é\n')]) == (
        b"event: response.output_text.delta\n"
        b'data: {"type":"response.output_text.delta","item_id":"msg_0abc_0","output_index":0,"content_index":0,'
        b'"logprobs":[],"delta":"\\"\xc3\xa9\\n","sequence_number":5}\n\n'
    )


def test_the_frame_echoes_what_the_client_said() -> None:
    desk = Desk(
        instructions="Be short.", temperature=0.5, metadata={"a": "b"}, reasoning={"effort": "low"}, user=None
    )
    for event in desk.stream([Piece(text="x", finish="stop")]):
        if "response" in event:
            said = event["response"]
            assert (said["instructions"], said["temperature"], said["metadata"]) == ("Be short.", 0.5, {"a": "b"})
            assert said["reasoning"] == {"effort": "low"}
            assert said["tools"] == TOOLS
            assert (said["store"], said["user"], said["error"], said["previous_response_id"]) == (
                True,
                None,
                None,
                None,
            )


def test_a_custom_tool_gets_its_text_back() -> None:
    found = Desk().stream(
        [
            Piece(tool_calls=(ToolCallPiece(0, "c", "patch", '{"inp'),)),
            Piece(tool_calls=(ToolCallPiece(0, arguments='ut":"a\\nb"}'),)),
            Piece(finish="tool_calls"),
        ]
    )
    assert kinds(found)[2:] == [
        "output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done", "output_item.done",
        "completed",
    ]  # fmt: skip
    (item,) = found[-1]["response"]["output"]
    assert item == {
        "type": "custom_tool_call", "status": "completed", "id": "ctc_0abc_0", "call_id": "c", "name": "patch",
        "input": "a\nb",
    }  # fmt: skip
    assert found[3]["delta"] == found[4]["input"] == "a\nb"


@pytest.mark.parametrize("arguments", ["plain text", '{"other":1}', "[", '{"input":7}'])
def test_a_model_that_did_not_wrap_its_text_is_taken_at_its_word(arguments: str) -> None:
    call = ToolCallPiece(0, "c", "patch", arguments)
    (item,) = Desk().reply(Reply(choices=(Choice(tool_calls=(call,), finish="tool_calls"),)))["output"]
    assert item["input"] == arguments


def test_a_refusal_is_a_part_of_its_own() -> None:
    found = Desk().stream([Piece(text="Well"), Piece(refusal="I "), Piece(refusal="won't"), Piece(finish="stop")])
    assert kinds(found)[3:] == [
        "content_part.added", "output_text.delta", "output_text.done", "content_part.done",
        "content_part.added", "refusal.delta", "refusal.delta", "refusal.done", "content_part.done",
        "output_item.done", "completed",
    ]  # fmt: skip
    (item,) = found[-1]["response"]["output"]
    assert [part.get("text") or part.get("refusal") for part in item["content"]] == ["Well", "I won't"]


def test_log_probabilities_where_they_were_asked_for() -> None:
    token = {"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": []}
    pieces = [Piece(text="x", logprobs=msgspec.Raw(json.dumps({"content": [token]}).encode())), Piece(finish="stop")]
    found = Desk(include=["message.output_text.logprobs"]).stream(pieces)
    assert [event["logprobs"] for event in found if "logprobs" in event] == [[token], [token]]
    assert found[-1]["response"]["output"][0]["content"][0]["logprobs"] == [token]
    assert all(not event.get("logprobs") for event in Desk().stream(pieces))


def test_thoughts_that_only_this_dialect_can_read() -> None:
    thought = {"type": "reasoning", "id": "rs_9", "summary": [], "encrypted_content": "gAA"}
    thoughts = (
        Thought("responses", msgspec.Raw(json.dumps(thought).encode())),
        Thought("anthropic", msgspec.Raw(b'{"type":"thinking"}')),
    )
    call = ToolCallPiece(0, "c", "f", "{}")
    found = Desk().stream([Piece(thoughts=thoughts), Piece(tool_calls=(call,), finish="tool_calls")])
    assert found[-1]["response"]["output"][0] == thought
    reply = Reply(choices=(Choice(thoughts=thoughts, tool_calls=(call,), finish="tool_calls"),))
    assert Desk().reply(reply)["output"][0] == thought
    assert [item["type"] for item in Desk().stream([Piece(thoughts=thoughts[1:])])[-1]["response"]["output"]] == [
        "message"
    ]


@pytest.mark.parametrize(
    ("finish", "kind", "status", "details"),
    [
        ("stop", "completed", "completed", None),
        ("tool_calls", "completed", "completed", None),
        (None, "completed", "completed", None),
        ("length", "incomplete", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", "incomplete", {"reason": "content_filter"}),
        ("error", "incomplete", "incomplete", None),
    ],
)
def test_endings(finish: Finish | None, kind: str, status: str, details: Any) -> None:
    found = Desk().stream([Piece(text="x"), Piece(finish=finish)])
    whole = found[-1]["response"]
    assert (kinds(found)[-1], whole["status"], whole["incomplete_details"]) == (kind, status, details)
    assert whole["output"][0]["status"] == status
    plain = Desk().reply(Reply(choices=(Choice(text="x", finish=finish),)))
    assert (plain["status"], plain["incomplete_details"], plain["output"]) == (status, details, whole["output"])


def test_an_answer_that_says_nothing_is_an_empty_message() -> None:
    found = Desk().stream([Piece(finish="stop")])
    (item,) = found[-1]["response"]["output"]
    assert [part["text"] for part in item["content"]] == [""]
    assert Desk().reply(Reply(choices=(Choice(finish="stop"),)))["output"] == [item]
    assert Desk().reply(Reply())["output"] == [item]


texts = st.text(max_size=5)
calls = st.lists(st.sampled_from(["f", "patch", "spawn", "unknown"]), max_size=3)


@given(st.lists(texts, max_size=3), st.lists(texts, max_size=3), calls, st.sampled_from(["stop", "length"]))
def test_streamed_and_plain_are_the_same_answer(
    thoughts: list[str], said: list[str], called: list[str], finish: Finish
) -> None:
    pieces = [Piece(reasoning=text) for text in thoughts] + [Piece(text=text) for text in said]
    for index, name in enumerate(called):
        pieces.append(Piece(tool_calls=(ToolCallPiece(index, f"c{index}", name, '{"input":'),)))
        pieces.append(Piece(tool_calls=(ToolCallPiece(index, arguments='"é"}'),)))
    pieces += [Piece(finish=finish), Piece(usage=USAGE)]
    whole = Desk().stream(pieces)[-1]["response"]
    reply = assemble(pieces)
    assert Desk().reply(reply) == whole
    assert Desk().stream(list(disassemble(reply)))[-1]["response"] == whole


@given(st.lists(texts, min_size=1, max_size=4), st.booleans())
def test_what_was_answered_can_be_asked_with(said: list[str], custom: bool) -> None:
    """The items of an answer, sent back, mean what the answer meant."""
    name = "patch" if custom else "f"
    call = ToolCallPiece(0, "c", name, '{"input":"é"}')
    pieces = [Piece(reasoning="hm"), *[Piece(text=text) for text in said], Piece(tool_calls=(call,))]
    output = Desk().stream([*pieces, Piece(finish="tool_calls")])[-1]["response"]["output"]
    (message,) = Desk(input=output).request.conversation.messages
    assert (message.role, message.text, message.reasoning) == ("assistant", "".join(said), "hm")
    assert [(each.id, each.name, each.arguments) for each in message.tool_calls] == [("c", name, '{"input":"é"}')]


# -- failures and signs of life ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (CallerFault(Code.CONTEXT_LENGTH_EXCEEDED, "Too long."), "context_length_exceeded"),
        (UpstreamFault(Code.UPSTREAM_QUOTA, "No credit."), "insufficient_quota"),
        (BudgetFault("No room."), "insufficient_quota"),
        (UpstreamFault(Code.UPSTREAM_RATE_LIMITED, "Wait.", retry_after_s=7), "rate_limit_exceeded"),
        (UpstreamFault(Code.UPSTREAM_REJECTED, "No."), "invalid_prompt"),
        (UpstreamFault(Code.UPSTREAM_CUT, "Cut."), "server_error"),
        (HouseFault(Code.SHUTTING_DOWN, "Bye."), "server_error"),
    ],
)
def test_a_stream_that_fails(fault: Fault, code: str) -> None:
    desk = Desk()
    writer = desk.writer()
    stream = writer.write([Piece(reasoning="hm"), Piece(text="half")]) + writer.fail(fault)
    blocks = [json.loads(block.partition(b"\ndata: ")[2]) for block in stream.split(b"\n\n") if block]
    assert blocks[-1]["type"] == "response.failed"
    failed = blocks[-1]["response"]
    assert (failed["status"], failed["error"]["code"]) == ("failed", code)
    assert [item["type"] for item in failed["output"]] == ["reasoning"]  # the message never was whole
    assert not {"response.completed", "response.incomplete"} & {block["type"] for block in blocks}
    assert desk.kept == []
    if code == "rate_limit_exceeded":
        assert failed["error"]["message"] == "Wait. Please try again in 7s."


def test_a_failure_before_anything_is_opened_first() -> None:
    stream = Desk().writer().fail(HouseFault(Code.INTERNAL, "Oh."))
    kinds_seen = [json.loads(block.partition(b"\ndata: ")[2])["type"] for block in stream.split(b"\n\n") if block]
    assert kinds_seen == ["response.created", "response.in_progress", "response.failed"]


def test_signs_of_life_are_events() -> None:
    writer = Desk().writer()
    stream = writer.keep_alive() + writer.keep_alive() + writer.write([Piece(text="x", finish="stop")])
    stream += writer.keep_alive() + writer.close()
    found = events(stream)
    assert kinds(found) == [
        "created", "in_progress", "in_progress", "output_item.added", "content_part.added", "output_text.delta",
        "in_progress", "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip


# -- passing -------------------------------------------------------------------------------------------------------


def framed(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


THEIRS = {"id": "resp_theirs", "object": "response", "output": [{"id": "msg_9", "type": "message"}]}
CREATED = framed("response.created", response={"id": "resp_theirs"}, sequence_number=0)
PROGRESS = framed("response.in_progress", response={"id": "resp_theirs"}, sequence_number=1)
SEARCH = framed("response.web_search_call.searching", item_id="ws_1", odd={"a": 1.0}, sequence_number=2)
DELTA = framed("response.output_text.delta", delta="hey", sequence_number=3)
COMPLETED = framed("response.completed", response=THEIRS, sequence_number=4)
PASSED = (
    Piece(raw=CREATED + PROGRESS, id="resp_theirs"),
    Piece(raw=SEARCH),
    Piece(raw=DELTA, text="hey"),
    Piece(raw=COMPLETED, finish="stop", usage=USAGE),
)


def test_an_upstream_of_this_dialect_passes_byte_for_byte() -> None:
    desk = Desk()
    writer = desk.writer()
    stream = writer.open() + writer.write(PASSED) + writer.close()
    assert stream == CREATED + PROGRESS + SEARCH + DELTA + COMPLETED
    assert desk.kept == [(THEIRS, ["resp_theirs"])]


def test_after_a_sign_of_life_it_is_not_opened_twice() -> None:
    desk = Desk()
    writer = desk.writer()
    opened = events(writer.keep_alive())
    assert writer.write(PASSED[:1]) == b""
    assert writer.write(PASSED[1:]) + writer.close() == SEARCH + DELTA + COMPLETED
    assert writer.keep_alive() == b": keep-alive\n\n"
    assert desk.kept == [(THEIRS, ["resp_theirs", opened[0]["response"]["id"]])]


def test_an_answer_that_a_note_of_ours_began_is_built() -> None:
    writer = Desk().writer()
    stream = writer.write([Piece(reasoning="waiting\n"), *PASSED]) + writer.close()
    found = events(stream)
    assert kinds(found)[-1] == "completed"
    assert [item["type"] for item in found[-1]["response"]["output"]] == ["reasoning", "message"]
    late = Desk().writer()
    assert late.write([*PASSED[:3], Piece(reasoning="waiting\n")]) == CREATED + PROGRESS + SEARCH + DELTA


def test_a_passing_stream_that_fails_keeps_its_id() -> None:
    writer = Desk().writer()
    writer.write(PASSED[:3])
    (event,) = [json.loads(writer.fail(HouseFault(Code.INTERNAL, "Oh.")).partition(b"\ndata: ")[2])]
    assert (event["type"], event["response"]["id"]) == ("response.failed", "resp_theirs")


def test_a_plain_body_passes_and_is_kept_under_its_own_id() -> None:
    desk = Desk()
    body = json.dumps(THEIRS).encode()
    reply = Reply(choices=(Choice(text="hey", finish="stop"),), body=body, dialect="openai")
    assert desk.codec.write_reply(reply, desk.request, created=1, reply_id="req_x") == body
    assert desk.kept == [(THEIRS, ["resp_theirs"])]


def test_nothing_is_kept_where_the_client_does_not_want_it() -> None:
    for pieces in ([Piece(text="x", finish="stop")], PASSED):
        desk = Desk(store=False)
        writer = desk.writer()
        writer.write(pieces)
        writer.close()
        assert desk.kept == []
    desk = Desk(store=False)
    desk.reply(Reply(choices=(Choice(text="x", finish="stop"),)))
    assert desk.kept == []


def test_a_codec_that_read_nothing_writes_all_the_same() -> None:
    desk = Desk()
    writer = Responses().stream_writer(desk.request, created=1, reply_id="req_1")
    assert b"response.completed" in writer.write([Piece(text="x", finish="stop")]) + writer.close()
