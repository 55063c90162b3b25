"""Emulation: what an upstream that lacks tools or schemas is sent instead, and how its answer is read."""

import json
from typing import Any

import pytest

from lodestard.domain.errors import CallerFault, Code, UpstreamFault
from lodestard.domain.reply import Piece, assemble
from lodestard.domain.request import Request
from lodestard.domain.settings import LocalModel, Upstream
from lodestard.domain.usage import Usage
from lodestard.protocols.choice_reader import ChoiceReader
from lodestard.protocols.codec import WireRequest
from lodestard.protocols.codecs import CODECS
from lodestard.protocols.emulation import Emulating, without_tools
from lodestard.protocols.ollama.api import OllamaCodec
from lodestard.protocols.openai.chat import read_request

CODEC = Emulating(OllamaCodec())
NATIVE = Upstream(dialect="ollama", url="http://127.0.0.1:11434", free=True)
LACKING = Upstream(
    dialect="ollama",
    url="http://127.0.0.1:11434",
    free=True,
    models={"coder:7b": LocalModel(tools="emulated")},
)
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Of a city", "parameters": PARAMETERS}}
SEARCH = {"type": "function", "function": {"name": "search"}}
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}}
FORM = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
CALL = '{"tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}]}'


def ask(**members: Any) -> Request:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **members}
    return read_request(json.dumps(body).encode(), depth=64)


def write(settings: Upstream = LACKING, **members: Any) -> WireRequest:
    return CODEC.write_request(ask(**members), "coder:7b", settings)


def sent(settings: Upstream = LACKING, **members: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(write(settings, **members).body)
    return body


def test_nothing_is_touched_where_nothing_is_lacking() -> None:
    for members in ({}, {"tools": [WEATHER]}, {"response_format": FORM}):
        request = ask(**members)
        assert CODEC.write_request(request, "other", LACKING) == OllamaCodec().write_request(
            request, "other", LACKING
        )
    assert write().emulation is None
    assert not isinstance(CODEC.reader(write()), ChoiceReader)


def test_tools_are_said_in_the_system_message() -> None:
    wire = write(
        tools=[WEATHER, SEARCH],
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
    )
    body = json.loads(wire.body)
    assert "tools" not in body
    assert "format" not in body
    system, user = body["messages"]
    assert system["role"] == "system"
    assert system["content"].startswith("Be brief.\n")
    described = [json.loads(line) for line in system["content"].split("\n") if line.startswith('{"name"')]
    assert described == [
        {"name": "weather", "description": "Of a city", "parameters": PARAMETERS},
        {"name": "search"},
    ]
    assert "Where you need no tool, answer in plain words." in system["content"]
    assert user == {"role": "user", "content": "hi"}
    assert wire.notes == ("tool calls emulated",)
    assert wire.emulation is not None
    assert wire.emulation.tools == ("weather", "search")


def test_without_a_system_message_there_is_one() -> None:
    assert [message["role"] for message in sent(tools=[WEATHER])["messages"]] == ["system", "user"]


def test_a_demanded_call_is_held_to_a_schema() -> None:
    choice = {"type": "function", "function": {"name": "weather"}}
    body = sent(tools=[WEATHER, SEARCH], tool_choice=choice)
    assert "You must call a tool now." in body["messages"][0]["content"]
    assert '"search"' not in body["messages"][0]["content"]
    item = body["format"]["properties"]["tool_calls"]["items"]
    assert item["properties"] == {"name": {"type": "string", "enum": ["weather"]}, "arguments": PARAMETERS}
    any_of = sent(tools=[WEATHER, SEARCH], tool_choice="required")["format"]["properties"]["tool_calls"]["items"][
        "anyOf"
    ]
    assert [one["properties"]["name"]["enum"] for one in any_of] == [["weather"], ["search"]]
    assert any_of[1]["properties"]["arguments"] == {"type": "object"}


def test_a_schema_with_references_of_its_own_is_not_put_into_another() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"$ref": "#/$defs/a", "$defs": {"a": {}}}}}
    item = sent(tools=[tool], tool_choice="required")["format"]["properties"]["tool_calls"]["items"]
    assert item["properties"]["arguments"] == {"type": "object"}


def test_a_server_that_is_paid_is_sent_no_schema_beside() -> None:
    paid = Upstream(dialect="ollama", url="http://a", models={"coder:7b": LocalModel(tools="emulated")})
    assert "format" not in sent(paid, tools=[WEATHER], tool_choice="required")


HISTORY = [
    {"role": "user", "content": "Weather in Oslo and Rome?"},
    {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}},
            {"id": "b", "type": "function", "function": {"name": "weather", "arguments": "Rome"}},
        ],
    },
    {"role": "tool", "tool_call_id": "a", "content": "rain"},
    {"role": "tool", "tool_call_id": "b", "content": "sun"},
    {"role": "user", "content": "Thanks."},
]


@pytest.mark.parametrize("more", [{}, {"tools": [WEATHER]}, {"tools": [WEATHER], "tool_choice": "none"}])
def test_earlier_calls_and_results_are_said(more: dict[str, Any]) -> None:
    wire = write(messages=HISTORY, **more)
    messages = json.loads(wire.body)["messages"]
    assert messages[-4:] == [
        {"role": "user", "content": "Weather in Oslo and Rome?"},
        {
            "role": "assistant",
            "content": 'I look.\n\n{"tool_calls":[{"name":"weather","arguments":{"city":"Oslo"}},'
            '{"name":"weather","arguments":"Rome"}]}',
        },
        {"role": "user", "content": "Result of weather:\n\nrain\n\n\n\nResult of weather:\n\nsun"},
        {"role": "user", "content": "Thanks."},
    ]
    assert len(messages) == (5 if more == {"tools": [WEATHER]} else 4)
    assert wire.notes == ("tool calls emulated",)
    assert (wire.emulation is not None) == (more == {"tools": [WEATHER]})


def test_little_is_written_beyond_what_the_client_wrote() -> None:
    tools = [{"type": "function", "function": {"name": f"f{n}" * 20, "description": "d" * 50}} for n in range(30)]
    results = [{"role": "tool", "tool_call_id": "", "content": ""} for _ in range(300)]
    for members in ({"messages": HISTORY}, {"tools": tools}, {"tools": [WEATHER], "messages": [*HISTORY, *results]}):
        request = ask(**members)
        wire = CODEC.write_request(request, "coder:7b", LACKING)
        text = "".join(message["content"] for message in json.loads(wire.body)["messages"])
        assert len(text.encode()) <= request.size_bytes + 700


def test_tools_that_are_no_functions_are_refused() -> None:
    with pytest.raises(CallerFault) as caught:
        write(tools=[{"type": "custom", "custom": {"name": "f"}}])
    assert (caught.value.code, caught.value.param) == (Code.NOT_SUPPORTED, "tools")


def test_log_probabilities_of_a_text_that_is_read_are_dropped() -> None:
    wire = write(tools=[WEATHER], logprobs=True)
    assert "logprobs" in wire.dropped
    assert "logprobs" not in json.loads(wire.body)


# -- JSON by instruction -----------------------------------------------------------------------------------------

TOLD = Upstream(dialect="ollama", url="http://a", free=True, schema="emulated")


def test_a_schema_is_said_by_instruction() -> None:
    wire = write(TOLD, response_format=FORM)
    body = json.loads(wire.body)
    assert "format" not in body
    said = body["messages"][0]["content"]
    assert said.startswith("Answer with one JSON object and nothing else")
    assert json.loads(said.split("\n", 1)[1]) == SCHEMA
    assert wire.notes == ("json schema emulated by instruction",)
    assert wire.emulation is not None
    assert wire.emulation.opening == "{"
    assert write(TOLD, response_format={"type": "json_object"}).notes == ("json emulated by instruction",)


def test_beside_native_tools_the_answer_may_be_a_call() -> None:
    body = sent(TOLD, response_format=FORM, tools=[WEATHER])
    assert body["tools"]
    assert body["messages"][0]["content"].startswith("Where you call no tool: ")


def test_beside_emulated_tools_no_schema_is_enforced() -> None:
    wire = write(LACKING, response_format=FORM, tools=[WEATHER])
    assert "format" not in json.loads(wire.body)
    assert wire.notes == ("tool calls emulated", "json schema emulated by instruction")


@pytest.mark.parametrize(
    ("schema", "opening"),
    [({"type": "array"}, "["), ({"type": "string"}, ""), ({}, "{"), ({"type": ["object", "null"]}, "")],
)
def test_the_bracket_that_the_answer_begins_with(schema: dict[str, Any], opening: str) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    emulation = write(TOLD, response_format=form).emulation
    assert (emulation.opening if emulation is not None else "") == opening


@pytest.mark.parametrize(
    ("dialect", "schema", "emulated"),
    [("anthropic", "", True), ("anthropic", "native", False), ("openai", "", False), ("openai", "emulated", True)],
)
def test_who_lacks_schemas(dialect: Any, schema: Any, emulated: bool) -> None:
    settings = Upstream(dialect=dialect, url="http://a", schema=schema)
    assert (CODECS[dialect].write_request(ask(response_format=FORM), "m", settings).emulation is not None) == emulated


def test_what_is_emulated_passes_nothing_through() -> None:
    settings = Upstream(dialect="openai", url="http://a", schema="emulated")
    wire = CODECS["openai"].write_request(ask(response_format=FORM, stream=True), "m", settings)
    assert not wire.passing
    assert "response_format" not in json.loads(wire.body)


# -- answers -----------------------------------------------------------------------------------------------------


def lines(*texts: str, reason: str = "stop") -> bytes:
    said = [{"model": "m", "created_at": "t", "message": {"content": text}} for text in texts]
    end = {"model": "m", "message": {"content": ""}, "done": True, "done_reason": reason}
    end |= {"prompt_eval_count": 5, "eval_count": 7}
    return b"".join(json.dumps(line).encode() + b"\n" for line in [*said, end])


def read(stream: bytes, wire: WireRequest, *, step: int = 0) -> list[Piece]:
    reader = CODEC.reader(wire)
    size = step or len(stream)
    pieces: list[Piece] = []
    for start in range(0, len(stream), size):
        pieces += reader.feed(stream[start : start + size])
    assert reader.done
    return pieces + reader.finish()


@pytest.mark.parametrize("step", [0, 1, 5])
def test_a_call_is_read_out_of_the_text(step: int) -> None:
    stream = lines("Let me see.\n", '{"tool_calls": [{"name": ', '"weather", "arguments": {"city": "Oslo"}}]}')
    reply = assemble(read(stream, write(tools=[WEATHER]), step=step))
    (choice,) = reply.choices
    assert (choice.text, choice.finish) == ("Let me see.\n", "tool_calls")
    (call,) = choice.tool_calls
    assert (call.name, call.arguments) == ("weather", '{"city": "Oslo"}')
    assert call.id.startswith("call_")
    assert (reply.usage, reply.model) == (Usage(prompt_tokens=5, completion_tokens=7), "m")


def test_portions_give_the_same_pieces() -> None:
    stream = lines("Let ", "me.\n", CALL[:20], CALL[20:], "\n", "Done")
    wire = write(tools=[WEATHER])
    whole = read(stream, wire)
    for step in range(1, 40):
        assert read(stream, wire, step=step) == whole


def test_the_same_call_has_another_name_in_another_turn() -> None:
    first = assemble(read(lines(CALL), write(tools=[WEATHER]))).choices[0].tool_calls[0].id
    again = assemble(read(lines(CALL), write(tools=[WEATHER]))).choices[0].tool_calls[0].id
    later = assemble(read(lines(CALL), write(tools=[WEATHER], messages=HISTORY))).choices[0].tool_calls[0].id
    assert first == again != later


def test_one_call_where_one_is_allowed() -> None:
    stream = lines(CALL, "\n", CALL)
    assert len(assemble(read(stream, write(tools=[WEATHER]))).choices[0].tool_calls) == 2
    single = write(tools=[WEATHER], parallel_tool_calls=False)
    assert len(assemble(read(stream, single)).choices[0].tool_calls) == 1


def test_text_goes_out_as_it_comes() -> None:
    pieces = read(lines("The ", "sun ", "shines."), write(tools=[WEATHER]))
    assert [piece.text for piece in pieces] == ["The ", "sun ", "shines.", ""]
    assert pieces[-1].finish == "stop"


def test_a_call_that_was_cut_is_text() -> None:
    (choice,) = assemble(read(lines(CALL[:-4], reason="length"), write(tools=[WEATHER]))).choices
    assert (choice.text, choice.tool_calls, choice.finish) == (CALL[:-4], (), "length")


def test_a_fault_is_the_inner_readers() -> None:
    reader = CODEC.reader(write(tools=[WEATHER]))
    assert reader.feed(lines("{")[:-120].split(b"\n")[0] + b'\n{"error": "out of memory"}\n')[0].text == ""
    assert reader.fault is not None
    with pytest.raises(UpstreamFault):
        reader.feed(b"")


def test_json_is_read_without_its_fence() -> None:
    stream = lines("Sure:\n```json\n", '{"age"', ": 4}", "\n```\n", "Ask again!")
    (choice,) = assemble(read(stream, write(TOLD, response_format=FORM))).choices
    assert (choice.text, choice.finish) == ('{"age": 4}', "stop")


def test_a_call_beside_json() -> None:
    wire = write(LACKING, response_format=FORM, tools=[WEATHER])
    (choice,) = assemble(read(lines(CALL), wire)).choices
    assert (choice.text, len(choice.tool_calls)) == ("", 1)
    (choice,) = assemble(read(lines('```json\n{"age": 4}\n```'), wire)).choices
    assert (choice.text, choice.tool_calls) == ('{"age": 4}', ())


# -- what a server's refusal teaches -----------------------------------------------------------------------------


def refusal(text: str = "registry.ollama.ai/library/m does not support tools") -> UpstreamFault:
    return UpstreamFault(Code.UPSTREAM_REJECTED, f"Ollama refused the request: {text}", status=400, billed=False)


def test_a_refusal_of_tools_teaches_to_emulate_them() -> None:
    learned = without_tools(refusal(), ask(tools=[WEATHER]), "m", NATIVE)
    assert learned is not None
    assert learned.models["m"].tools == "emulated"
    kept = Upstream(dialect="ollama", url="http://a", free=True, models={"m": LocalModel(keep_alive="5m")})
    learned = without_tools(refusal(), ask(tools=[WEATHER]), "m", kept)
    assert learned is not None
    assert learned.models["m"] == LocalModel(keep_alive="5m", tools="emulated")


@pytest.mark.parametrize(
    ("fault", "settings", "members"),
    [
        (refusal("no"), NATIVE, {"tools": [WEATHER]}),
        (refusal(), NATIVE, {}),
        (refusal(), Upstream(dialect="ollama", url="http://a"), {"tools": [WEATHER]}),
        (refusal(), LACKING, {"tools": [WEATHER]}),
        (
            refusal(),
            Upstream(dialect="ollama", url="http://a", free=True, models={"coder:7b": LocalModel(tools="native")}),
            {"tools": [WEATHER]},
        ),
        (CallerFault(Code.NOT_SUPPORTED, "does not support tools"), NATIVE, {"tools": [WEATHER]}),
    ],
)
def test_what_teaches_nothing(fault: Any, settings: Upstream, members: dict[str, Any]) -> None:
    assert without_tools(fault, ask(**members), "coder:7b", settings) is None
