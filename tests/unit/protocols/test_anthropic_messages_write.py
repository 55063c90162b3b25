"""What a client of Anthropic's dialect gets: built events and bodies, judged by the types of Anthropic's own SDK."""

import json
from typing import Any

import msgspec
import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from lodestard.domain.errors import Code, HouseFault, UpstreamFault
from lodestard.domain.reply import Choice, Piece, Reply, ToolCallPiece, assemble, disassemble
from lodestard.domain.request import Request, Thought
from lodestard.domain.usage import Usage
from lodestard.protocols.anthropic.messages import AnthropicMessages, read_request
from lodestard.protocols.anthropic.messages_events import own_blocks
from lodestard.protocols.anthropic.messages_write import StreamWriter
from lodestard.protocols.anthropic.plain import read_plain

CODEC = AnthropicMessages()
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
USAGE = Usage(prompt_tokens=100, completion_tokens=20, cached_tokens=60, cache_write_tokens=10, reasoning_tokens=5)
DELTAS = {"text": "text_delta", "thinking": "thinking_delta", "tool_use": "input_json_delta"}


def ask(**members: Any) -> Request:
    body = {"model": "alias", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **members}
    return read_request(json.dumps(body).encode(), depth=64, headers={})


REQUEST = ask(stream=True)


def writer() -> StreamWriter:
    return CODEC.stream_writer(REQUEST, created=1, reply_id="req_1")


def events_of(stream: bytes) -> list[dict[str, Any]]:
    """Each event, checked: its name is its type, its type one of the SDK's, blocks one after the other."""
    *framed, rest = stream.split(b"\n\n")
    assert rest == b""
    events: list[dict[str, Any]] = []
    for frame in framed:
        name, data = frame.split(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + event["type"].encode()
        EVENT.validate_python(event)
        events.append(event)
    check_blocks(events)
    return events


def check_blocks(events: list[dict[str, Any]]) -> None:
    opened, kind, index = False, "", -1
    for event in events:
        match event["type"]:
            case "content_block_start":
                index += 1
                assert (event["index"], opened) == (index, False)
                opened, kind = True, event["content_block"]["type"]
            case "content_block_delta":
                assert opened
                assert event["index"] == index
                assert event["delta"]["type"] == DELTAS[kind] or (
                    kind == "thinking" and event["delta"]["type"] == "signature_delta"
                )
            case "content_block_stop":
                assert (event["index"], opened) == (index, True)
                opened = False
    assert not opened


def written(*pieces: Piece) -> list[dict[str, Any]]:
    """The events of a stream that ended as it should."""
    one = writer()
    stream = one.open() + one.write(pieces) + one.close()
    events = events_of(stream)
    assert [events[0]["type"], *(event["type"] for event in events[-2:])] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]
    return events


def gathered(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that Anthropic's SDK makes of the events."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for event in events:
        made = EVENT.validate_python(event)
        snapshot = accumulate_event(event=made, current_snapshot=snapshot, json_bufs=buffers)
    return json.loads(snapshot.to_json(exclude_unset=False))  # type: ignore[no-any-return]


def content(*pieces: Piece) -> list[dict[str, Any]]:
    return [plain(block) for block in gathered(written(*pieces))["content"]]


def plain(block: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if value is not None}


def call(index: int, name: str = "", arguments: str = "", call_id: str = "") -> Piece:
    return Piece(tool_calls=(ToolCallPiece(index, call_id, name, arguments),))


def thought(**block: Any) -> Thought:
    return Thought("anthropic", msgspec.Raw(json.dumps(block).encode()))


SIGNED = thought(type="thinking", thinking="Hm. So.", signature="c2ln")
HIDDEN = thought(type="redacted_thinking", data="eHg=")


# -- streams -------------------------------------------------------------------------------------------------------


def test_a_transcript() -> None:
    one = writer()
    assert one.open() == b""
    assert one.write([Piece(text="Hel", id="x", model="llama", created=5)]) == (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message",'
        b'"role":"assistant","model":"llama","content":[],"stop_reason":null,"stop_sequence":null,"usage":'
        b'{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":'
        b'{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":0}}}\n\n'
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
        b'"content_block":{"type":"text","text":""}}\n\n'
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"Hel"}}\n\n'
    )
    assert one.write([Piece(text="lo")]) == (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"lo"}}\n\n'
    )
    assert one.write([Piece(finish="stop"), Piece(usage=USAGE)]) == b""
    assert one.keep_alive() == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert one.close() == (
        b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn",'
        b'"stop_sequence":null},"usage":{"input_tokens":30,"cache_creation_input_tokens":10,'
        b'"cache_read_input_tokens":60,"cache_creation":{"ephemeral_5m_input_tokens":10,'
        b'"ephemeral_1h_input_tokens":0},"output_tokens":20,"output_tokens_details":{"thinking_tokens":5}}}\n\n'
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )


def test_what_a_client_has_at_the_end() -> None:
    pieces = (Piece(text="Hel", model="llama"), Piece(text="lo"), Piece(finish="stop"), Piece(usage=USAGE))
    message = gathered(written(*pieces))
    assert message["content"][0]["text"] == "Hello"
    assert (message["id"], message["model"], message["stop_reason"]) == ("msg_1", "llama", "end_turn")
    usage = message["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (30, 60, 20)


def test_the_input_is_known_at_once_where_the_upstream_says_it_first() -> None:
    events = written(Piece(usage=Usage(prompt_tokens=7)), Piece(text="x"), Piece(finish="stop"))
    assert events[0]["message"]["usage"]["input_tokens"] == 7


def test_thinking_then_text_then_calls() -> None:
    pieces = (
        Piece(reasoning="Hm."),
        Piece(reasoning=" So."),
        Piece(text="I look."),
        call(0, "look", "", "call_1"),
        call(0, arguments='{"at":'),
        call(0, arguments="1}"),
        call(1, "stop", "", "call_2"),
        Piece(finish="tool_calls"),
    )
    assert content(*pieces) == [
        {"type": "thinking", "thinking": "Hm. So.", "signature": ""},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": 1}},
        {"type": "tool_use", "id": "call_2", "name": "stop", "input": {}},
    ]
    assert gathered(written(*pieces))["stop_reason"] == "tool_use"


def test_an_empty_input_has_no_delta() -> None:
    events = written(call(0, "look", "", "a"), Piece(finish="tool_calls"))
    assert "content_block_delta" not in {event["type"] for event in events}


def test_a_signature_closes_the_thinking_that_was_streamed() -> None:
    pieces = (Piece(reasoning="Hm."), Piece(reasoning=" So."), Piece(thoughts=(SIGNED, HIDDEN)), Piece(text="x"))
    assert content(*pieces, Piece(finish="stop")) == [
        {"type": "thinking", "thinking": "Hm. So.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "eHg="},
        {"type": "text", "text": "x"},
    ]


def test_thinking_that_is_not_shown_is_still_signed() -> None:
    silent = thought(type="thinking", thinking="", signature="c2ln")
    assert content(Piece(thoughts=(silent,)), Piece(text="x"), Piece(finish="stop"))[0] == {
        "type": "thinking",
        "thinking": "",
        "signature": "c2ln",
    }


def test_two_calls_in_turns_come_out_one_after_the_other() -> None:
    pieces = (
        call(0, "a", '{"x":', "c0"),
        call(1, "b", '{"y":', "c1"),
        Piece(text="meanwhile"),
        call(0, arguments="1}"),
        call(1, arguments="2}"),
        Piece(finish="tool_calls"),
    )
    assert content(*pieces) == [
        {"type": "tool_use", "id": "c0", "name": "a", "input": {"x": 1}},
        {"type": "tool_use", "id": "c1", "name": "b", "input": {"y": 2}},
        {"type": "text", "text": "meanwhile"},
    ]


def test_many_calls_in_one_piece() -> None:
    piece = Piece(tool_calls=tuple(ToolCallPiece(n, f"c{n}", "f", f'{{"n":{n}}}') for n in range(3)))
    assert [block["input"] for block in content(piece, Piece(finish="tool_calls"))] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_white_space_after_a_call_that_has_ended_is_no_new_call() -> None:
    pieces = (call(0, "a", "{}", "c0"), call(1, "b", "{}", "c1"), call(0, arguments=" "), Piece(finish="tool_calls"))
    assert [block["id"] for block in content(*pieces)] == ["c0", "c1"]


def test_ids_that_this_dialect_does_not_take() -> None:
    blocks = content(call(0, "a", "{}", "functions.a:0"), call(1, "b", "{}"), Piece(finish="tool_calls"))
    assert blocks[0]["id"].startswith("toolu_lodestar_")
    assert blocks[1]["id"] == "toolu_1_1"


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("function_call", "tool_use"),
        ("content_filter", "refusal"),
        ("error", "end_turn"),
    ],
)
def test_stop_reasons(finish: Any, reason: str) -> None:
    assert gathered(written(Piece(text="x"), Piece(finish=finish)))["stop_reason"] == reason
    reply = Reply(choices=(Choice(text="x", finish=finish),))
    assert whole(reply)["stop_reason"] == reason


def test_a_call_is_a_reason_to_stop_whatever_the_server_says() -> None:
    assert gathered(written(call(0, "a", "{}", "c"), Piece(finish="stop")))["stop_reason"] == "tool_use"


def test_an_empty_answer_is_a_message_too() -> None:
    message = gathered(written())
    assert (message["content"], message["stop_reason"], message["model"]) == ([], "end_turn", "alias")


def test_other_choices_refusals_and_logprobs() -> None:
    logprobs = msgspec.Raw(b'{"content":[]}')
    pieces = (Piece(refusal="No."), Piece(choice=1, text="other"), Piece(logprobs=logprobs), Piece(finish="stop"))
    assert content(*pieces) == [{"type": "text", "text": "No."}]


def test_a_failure_ends_with_an_error_and_no_good_ending() -> None:
    one = writer()
    begun = one.write([Piece(text="x")])
    fault = UpstreamFault(Code.UPSTREAM_CUT, "It broke.")
    assert one.fail(fault) == (
        b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"It broke."},'
        b'"request_id":"req_1"}\n\n'
    )
    assert b"message_stop" not in begun
    busy = writer().fail(HouseFault(Code.OVERLOADED, "Too much."))
    assert b'"type":"overloaded_error"' in busy


def test_thoughts_that_nobody_can_read_are_left_out() -> None:
    broken = Thought("anthropic", msgspec.Raw(b'{"type":7}'))
    other = Thought("gemini", msgspec.Raw(b'"c2ln"'))
    assert own_blocks([broken, other]) == []
    assert content(Piece(thoughts=(broken, other), text="x"), Piece(finish="stop")) == [{"type": "text", "text": "x"}]


# -- what passes through -------------------------------------------------------------------------------------------

RAWS = (
    b'event: message_start\ndata: {"type":"message_start","message":{"new":1}}\n\n',
    b'event: content_block_delta\ndata: {"x":1}\n\n',
    b'event: message_delta\ndata: {"y":1}\n\n',
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
)


def test_the_upstreams_own_events_go_through_byte_for_byte() -> None:
    pieces = [
        Piece(raw=RAWS[0], id="msg_x"),
        Piece(raw=RAWS[1], text="x"),
        Piece(raw=RAWS[2], finish="stop", usage=USAGE),
        Piece(raw=RAWS[3]),
    ]
    one = writer()
    assert one.write(pieces) + one.close() == b"".join(RAWS)


def test_an_end_that_did_not_come_through_is_written() -> None:
    one = writer()
    assert one.write([Piece(raw=RAWS[1], text="message_stop")]) == RAWS[1]
    assert one.close() == RAWS[3]


def test_what_we_say_in_the_midst_of_anothers_answer_is_left_out() -> None:
    one = writer()
    one.write([Piece(raw=RAWS[0])])
    assert one.write([Piece(reasoning="waiting")]) == b""


def test_an_answer_that_we_began_goes_on_as_ours() -> None:
    pieces = (
        Piece(reasoning="Waiting for the card.\n"),
        Piece(raw=RAWS[1], text="x"),
        Piece(raw=RAWS[3], finish="stop"),
    )
    assert content(*pieces) == [
        {"type": "thinking", "thinking": "Waiting for the card.\n", "signature": ""},
        {"type": "text", "text": "x"},
    ]


def test_a_body_of_this_dialect_goes_through() -> None:
    body = b'{"id":"msg_x","new":1}'
    assert CODEC.write_reply(Reply(dialect="anthropic", body=body), REQUEST, created=1, reply_id="r") == body
    other = Reply(dialect="openai", body=body, choices=(Choice(text="x", finish="stop"),))
    assert CODEC.write_reply(other, REQUEST, created=1, reply_id="r") != body


# -- the whole -----------------------------------------------------------------------------------------------------


def whole(reply: Reply) -> dict[str, Any]:
    body = CODEC.write_reply(reply, REQUEST, created=1, reply_id="req_1")
    Message.model_validate_json(body)
    return json.loads(body)  # type: ignore[no-any-return]


def test_a_whole_answer() -> None:
    calls = (ToolCallPiece(0, "call_1", "look", '{"at":1}'), ToolCallPiece(1, "", "bad", "not json"))
    choice = Choice(
        text="I look.", reasoning="Hm. So.", thoughts=(SIGNED, HIDDEN), tool_calls=calls, finish="tool_calls"
    )
    message = whole(Reply(model="llama", choices=(choice, Choice(text="other")), usage=USAGE))
    assert message["content"] == [
        {"type": "thinking", "thinking": "Hm. So.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "eHg="},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": 1}},
        {"type": "tool_use", "id": "toolu_1_1", "name": "bad", "input": {"arguments": "not json"}},
    ]
    assert (message["model"], message["stop_reason"], message["stop_sequence"]) == ("llama", "tool_use", None)
    assert message["usage"]["cache_creation"] == {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 0}


def test_reasoning_without_a_signature() -> None:
    message = whole(Reply(choices=(Choice(text="x", reasoning="Hm.", finish="stop"),)))
    assert message["content"][0] == {"type": "thinking", "thinking": "Hm.", "signature": ""}
    assert message["model"] == "alias"


def test_usage_never_goes_below_nothing() -> None:
    odd = Usage(
        prompt_tokens=5, cached_tokens=4, cache_write_tokens=4, cache_write_1h_tokens=9, service_tier="priority"
    )
    usage = whole(Reply(choices=(Choice(finish="stop"),), usage=odd))["usage"]
    assert usage["input_tokens"] == 0
    assert usage["cache_creation"] == {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 4}
    assert usage["service_tier"] == "priority"


def test_nothing_at_all() -> None:
    assert whole(Reply())["content"] == []


# -- by property ---------------------------------------------------------------------------------------------------

ARGUMENTS = st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2).map(json.dumps)
CALLS = st.lists(ARGUMENTS, max_size=4)


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[Piece], list[str]]:
    """Pieces of calls in any order, cut anywhere, with text and reasoning between; and the calls' inputs."""
    inputs = draw(CALLS)
    queues: list[list[Piece]] = []
    for index, arguments in enumerate(inputs):
        cut = draw(st.integers(0, len(arguments)))
        parts = [arguments[:cut], arguments[cut:]]
        queue = [call(index, f"f{index}", parts[0], f"c{index}"), call(index, arguments=parts[1])]
        queues.append(queue)
    said = st.builds(Piece, text=st.text(max_size=3), reasoning=st.text(max_size=3))
    queues.append(draw(st.lists(said, max_size=4)))
    pieces: list[Piece] = []
    while any(queues):
        queue = draw(st.sampled_from([queue for queue in queues if queue]))
        pieces.append(queue.pop(0))
    return pieces, inputs


@given(answers())
def test_pieces_in_any_order_are_the_same_message(answer: tuple[list[Piece], list[str]]) -> None:
    pieces, inputs = answer
    blocks = content(*pieces, Piece(finish="stop"))
    calls = {block["id"]: block["input"] for block in blocks if block["type"] == "tool_use"}
    assert calls == {f"c{index}": json.loads(arguments) for index, arguments in enumerate(inputs)}
    for kind, member in (("text", "text"), ("thinking", "reasoning")):
        told = "".join(block[kind] for block in blocks if block["type"] == kind)
        assert told == "".join(getattr(piece, member) for piece in pieces)


@given(answers())
def test_streamed_and_whole_say_the_same(answer: tuple[list[Piece], list[str]]) -> None:
    reply = assemble([*answer[0], Piece(finish="tool_calls"), Piece(usage=USAGE)])
    streamed = gathered(written(*disassemble(reply)))
    plain_body = whole(reply)
    assert [plain(block) for block in streamed["content"]] == plain_body["content"]
    assert streamed["stop_reason"] == plain_body["stop_reason"]
    assert streamed["usage"]["input_tokens"] == plain_body["usage"]["input_tokens"]


@given(answers())
def test_what_was_written_is_read_as_the_same_turn(answer: tuple[list[Piece], list[str]]) -> None:
    reply = assemble([*answer[0], Piece(finish="stop")])
    if not reply.choices:
        return
    turn = {"role": "assistant", "content": whole(reply)["content"]}
    (message,) = ask(messages=[turn]).conversation.messages
    (choice,) = reply.choices
    assert (message.text, message.reasoning) == (choice.text, choice.reasoning)
    assert [(made.id, made.name, json.loads(made.arguments)) for made in message.tool_calls] == [
        (made.id, made.name, json.loads(made.arguments)) for made in choice.tool_calls
    ]


STOPPED = (
    b'{"id":"m","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"one"}],'
    b'"stop_reason":"stop_sequence","stop_sequence":"two","stop_details":null,"container":{"id":"c","expires_at":'
    b'"2026-11-26T00:00:00Z"},"diagnostics":{"x":1},"usage":{"input_tokens":3,"output_tokens":1}}'
)


def test_a_kept_answer_of_its_own_says_what_stopped_it_and_all_else_in_the_other_form_too() -> None:
    (whole,) = read_plain(STOPPED, passing=True)
    reply = assemble([whole])
    stream = written(*disassemble(reply))
    assert stream[0]["message"]["diagnostics"] == {"x": 1}
    assert stream[0]["message"]["stop_reason"] is None
    assert stream[-2]["delta"] == {
        "stop_reason": "stop_sequence",
        "stop_sequence": "two",
        "container": {"id": "c", "expires_at": "2026-11-26T00:00:00Z"},
    }
    built = json.loads(CODEC.write_reply(reply, REQUEST, created=1, reply_id="req_1"))
    given = json.loads(STOPPED)
    assert {name: built[name] for name in ("stop_reason", "stop_sequence", "container", "diagnostics", "model")} == {
        name: given[name] for name in ("stop_reason", "stop_sequence", "container", "diagnostics", "model")
    }
    assert built["id"] == "msg_1"
    Message.model_validate(built)
