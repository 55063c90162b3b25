"""What a client of Ollama's dialect asks: bodies → requests, and what another dialect would lose of them."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.call_id import invent_call_id
from lodestard.domain.errors import CallerFault, Code, Fault, HouseFault
from lodestard.domain.request import Completion, Embedding, Format, ImagePart, Request, Sampling, TextPart
from lodestard.domain.settings import LocalModel, Upstream
from lodestard.protocols.clients import CLIENTS, OLLAMA_CHAT, OLLAMA_EMBED, OLLAMA_EMBEDDINGS, OLLAMA_GENERATE
from lodestard.protocols.error_bodies import write_error
from lodestard.protocols.ollama.api import OllamaCodec
from lodestard.protocols.openai.upstream import OpenAICodec

HI = [{"role": "user", "content": "hi"}]
T600 = Upstream(dialect="ollama", url="http://127.0.0.1:11434", options={"num_ctx": 4096}, keep_alive="5m", free=True)
PAID = Upstream(dialect="openai", url="https://api.openai.com/v1")
PNG, JPEG = "iVBORw0KGgoAAAANSUhEUg==", "/9j/4AAQSkZJRgABAQ=="
GIF, WEBP = "R0lGODlhAQABAIAAAAAAAP==", "UklGRiQAAABXRUJQVlA4IBgAAAA="


def encoded(members: dict[str, Any]) -> bytes:
    return json.dumps(members).encode()


def chat(**members: Any) -> Request:
    return OLLAMA_CHAT.read_request(encoded({"model": "m", "messages": HI, **members}), depth=64, headers={})


def generate(**members: Any) -> Request:
    return OLLAMA_GENERATE.read_request(encoded({"model": "m", "prompt": "p", **members}), depth=64, headers={})


def embed(**members: Any) -> Request:
    return OLLAMA_EMBED.read_request(encoded({"model": "m", **members}), depth=64, headers={})


# -- chats ---------------------------------------------------------------------------------------------------------


def test_the_least_chat() -> None:
    request = chat()
    assert (request.dialect, request.alias, request.stream, request.include_usage) == ("ollama", "m", True, True)
    assert [(message.role, message.text) for message in request.conversation.messages] == [("user", "hi")]
    assert request.conversation.sampling == Sampling()
    assert request.conversation.is_chat
    assert (request.unsaid, request.size_bytes) == ((), len(encoded({"model": "m", "messages": HI})))


@pytest.mark.parametrize(("said", "streamed"), [({}, True), ({"stream": None}, True), ({"stream": False}, False)])
def test_streamed_is_what_does_not_say_otherwise(said: dict[str, Any], streamed: bool) -> None:
    assert chat(**said).stream is streamed
    assert generate(**said).stream is streamed


def test_options_are_sampling() -> None:
    options = {
        "temperature": 0, "top_p": 0.5, "top_k": 40.0, "seed": 7, "stop": ["a", "b"], "num_predict": 9,
        "presence_penalty": 1, "frequency_penalty": 2,
    }  # fmt: skip
    assert chat(options=options).conversation.sampling == Sampling(
        temperature=0,
        top_p=0.5,
        top_k=40,
        seed=7,
        stop=("a", "b"),
        max_output_tokens=9,
        presence_penalty=1,
        frequency_penalty=2,
    )
    assert chat(options={"stop": "x"}).conversation.sampling.stop == ("x",)


@pytest.mark.parametrize("limit", [-1, -2, 0, None, -1.0])
def test_limits_that_are_none(limit: float | None) -> None:
    assert chat(options={"num_predict": limit, "top_k": -1}).conversation.sampling == Sampling()


@pytest.mark.parametrize(
    ("think", "effort"), [(True, "medium"), (False, "none"), ("low", "low"), ("max", "xhigh"), (None, ""), ("", "")]
)
def test_thinking(think: object, effort: str) -> None:
    assert chat(think=think).conversation.reasoning_effort == effort
    assert generate(think=think).conversation.reasoning_effort == effort


def test_the_form_of_an_answer() -> None:
    assert chat(format="").conversation.format == Format()
    assert chat(format=None).conversation.format == Format()
    assert chat(format="json").conversation.format == Format(kind="json")
    form = chat(format={"type": "object"}).conversation.format
    assert (form.kind, json.loads(bytes(form.schema or b""))) == ("json_schema", {"type": "object"})


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (GIF, "image/gif"),
        (WEBP, "image/webp"),
        (f"data:image/png;base64,{PNG}", "image/png"),
        ("AAAAAAAAAAAAAAAA", "application/octet-stream"),
    ],
)
def test_images_say_what_they_are(data: str, kind: str) -> None:
    plain = data.rpartition(",")[2]
    (message,) = chat(messages=[{"role": "user", "content": "see", "images": [data]}]).conversation.messages
    assert message.parts == (TextPart("see"), ImagePart(media_type=kind, data=plain))
    assert generate(images=[data]).conversation.messages[0].parts == (
        TextPart("p"),
        ImagePart(media_type=kind, data=plain),
    )


def test_calls_without_ids_and_their_results() -> None:
    calls = [{"function": {"name": name, "arguments": {"a": at}}} for at, name in enumerate(["f", "g", "f"])]
    results = [{"role": "tool", "tool_name": name, "content": name} for name in ("g", "f", "f")]
    asked = chat(messages=[*HI, {"role": "assistant", "content": "", "tool_calls": calls}, *results])
    _, told, *answers = asked.conversation.messages
    first, second, third = (call.id for call in told.tool_calls)
    assert [call.arguments for call in told.tool_calls] == ['{"a": 0}', '{"a": 1}', '{"a": 2}']
    assert first == invent_call_id("f", '{"a":0}')
    assert [answer.tool_call_id for answer in answers] == [second, first, third]
    assert {answer.name for answer in answers} == {""}


def test_the_same_call_twice_has_two_ids() -> None:
    turn = [
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]},
        {"role": "tool", "content": "x"},
    ]
    messages = chat(messages=[*HI, *turn, *turn]).conversation.messages
    assert messages[1].tool_calls[0].id == messages[2].tool_call_id
    assert messages[3].tool_calls[0].id == messages[4].tool_call_id
    assert messages[1].tool_calls[0].id != messages[3].tool_calls[0].id


def test_ids_that_a_client_has_are_kept() -> None:
    calls = [{"id": "c1", "function": {"name": "f"}}, {"id": "c2", "function": {"name": "f", "arguments": '{"a":1}'}}]
    results = [{"role": "tool", "tool_call_id": "c2", "content": "x"}, {"role": "tool", "tool_call_id": "c9"}]
    _, told, one, other = chat(
        messages=[*HI, {"role": "assistant", "tool_calls": calls}, *results]
    ).conversation.messages
    assert [(call.id, call.arguments) for call in told.tool_calls] == [("c1", "{}"), ("c2", '{"a":1}')]
    assert (one.tool_call_id, other.tool_call_id) == ("c2", "c9")
    orphan = chat(messages=[*HI, {"role": "tool", "tool_name": "f", "content": "x"}]).conversation.messages[1]
    assert (orphan.tool_call_id, orphan.name) == ("", "f")


def test_tools() -> None:
    tools = [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}},
        {"function": {"name": "g", "parameters": None}},
        {"type": "browser"},
    ]
    f, g, other = chat(tools=tools).conversation.tools
    assert (f.name, f.description, json.loads(bytes(f.parameters or b""))) == ("f", "d", {"type": "object"})
    assert (g.name, g.parameters) == ("g", None)
    assert other.kind == "browser"


def test_what_was_thought_before() -> None:
    messages = [*HI, {"role": "assistant", "content": "a", "thinking": "t"}, *HI]
    assert chat(messages=messages).conversation.messages[1].reasoning == "t"


def test_nothing_is_asked() -> None:
    for request in (chat(messages=[]), chat(messages=None), generate(prompt=""), embed(input=[]), embed(input="")):
        assert request.conversation.messages == ()


def test_log_probabilities() -> None:
    talk = chat(logprobs=True, top_logprobs=3).conversation
    assert (talk.logprobs, talk.top_logprobs) == (True, 3)
    assert chat(top_logprobs=3).conversation.top_logprobs is None


# -- prompts -------------------------------------------------------------------------------------------------------


def test_a_prompt_is_a_chat_of_one_message() -> None:
    request = generate(system="s")
    assert request.dialect == "ollama-generate"
    assert request.conversation.is_chat
    assert [(message.role, message.text) for message in request.conversation.messages] == [
        ("system", "s"),
        ("user", "p"),
    ]


def test_text_that_is_continued() -> None:
    filled = generate(suffix="after", system="s")
    assert filled.conversation.completion == Completion(suffix="after")
    assert [message.text for message in filled.conversation.messages] == ["p"]
    assert filled.unsaid == ("system",)
    assert generate(raw=True).conversation.completion == Completion(raw=True)
    assert generate(suffix="").conversation.completion is None
    start = generate(prompt="", suffix="after").conversation
    assert (start.completion, start.messages[0].text) == (Completion(suffix="after"), "")


def test_embeddings() -> None:
    one = embed(input="x")
    assert one.conversation.embedding == Embedding(truncate=True)
    assert (one.dialect, one.stream, [message.text for message in one.conversation.messages]) == (
        "ollama-embed",
        False,
        ["x"],
    )
    many = embed(input=["x", ""], truncate=False, dimensions=8)
    assert many.conversation.embedding == Embedding(dimensions=8)
    assert [message.text for message in many.conversation.messages] == ["x", ""]
    old = OLLAMA_EMBEDDINGS.read_request(encoded({"model": "m", "prompt": "x"}), depth=64, headers={})
    assert (old.dialect, [message.text for message in old.conversation.messages]) == ("ollama-embeddings", ["x"])


# -- what is lost --------------------------------------------------------------------------------------------------


def test_what_another_dialect_loses() -> None:
    options = {"min_p": 0.1, "mirostat": None, "num_ctx": 9000, "repeat_penalty": 1.1, "secret words": 1}
    request = chat(options=options, keep_alive=-1, shift=True, truncate=False, future={"a": 1}, empty="", none=None)
    assert request.unsaid == ("future", "options", "options.min_p", "options.repeat_penalty")
    wire = OpenAICodec().write_request(request, "gpt-4o", PAID)
    assert wire.dropped == request.unsaid
    assert generate(template="{{ .Prompt }}", context=[1, 2]).unsaid == ("context", "template")
    assert generate(template="", context=[]).unsaid == ()


def test_what_goes_on_to_a_server_of_the_same_dialect() -> None:
    messages = [
        *HI,
        {"role": "assistant", "content": "", "tool_calls": [{"id": "c", "function": {"name": "f"}}], "x": 1},
    ]
    request = chat(
        messages=messages, options={"min_p": 0.1, "future": 1, "num_ctx": 9, "num_predict": -1, "logits_all": True},
        keep_alive=0, shift=True, truncate=True, runner="mlx", future={"a": 1}, stream=False, think="max",
    )  # fmt: skip
    wire = OllamaCodec().write_request(request, "llama3.1:8b", T600)
    assert (wire.path, wire.dropped) == ("/api/chat", ())
    assert json.loads(wire.body) == {
        "model": "llama3.1:8b",
        "messages": messages,
        "stream": True,
        "truncate": False,
        "keep_alive": "5m",
        "options": {"min_p": 0.1, "future": 1, "num_ctx": 4096},
        "future": {"a": 1},
        "think": "max",
    }


def test_what_is_pinned_wins() -> None:
    pinned = Upstream(
        dialect="ollama",
        url="http://127.0.0.1:11434",
        models={"m": LocalModel(options={"temperature": 0.1, "min_p": 0.2, "num_predict": 50})},
    )
    for limit, written in ((70, 50), (30, 30)):
        request = chat(options={"temperature": 1, "min_p": 0.9, "num_predict": limit, "top_k": 3})
        body = json.loads(OllamaCodec().write_request(request, "m", pinned).body)
        assert body["options"] == {"temperature": 0.1, "min_p": 0.2, "num_predict": written, "top_k": 3}


def test_a_prompt_for_a_server_of_the_same_dialect() -> None:
    wire = OllamaCodec().write_request(generate(system="s", template="t", options={"min_p": 0.1}), "m", T600)
    body = json.loads(wire.body)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["options"] == {"min_p": 0.1, "num_ctx": 4096}
    assert ("prompt" in body, "template" in body, wire.dropped) == (False, False, ("template",))


SAID = st.dictionaries(st.text("abcxyz_", min_size=1), st.none() | st.integers() | st.text(max_size=3), max_size=4)


@given(SAID, SAID)
def test_nothing_of_a_chat_is_lost_on_its_way_to_ollama(members: dict[str, Any], options: dict[str, Any]) -> None:
    body = json.loads(OllamaCodec().write_request(chat(**members, options=options), "m", T600).body)
    assert {name: body[name] for name in members} == members
    assert {name: body["options"][name] for name in options} == options


# -- what is wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"model": ""}, "model"),
        ({"messages": "x"}, "messages"),
        ({"messages": [{"role": "king"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "images": ["no base64: ü"]}]}, "messages[0].images[0]"),
        ({"messages": [{"role": "user", "images": [""]}]}, "messages[0].images[0]"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": [1]}}]}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"function": {"name": "f", "parameters": 1}}]}, "tools[0].function.parameters"),
        ({"format": "xml"}, "format"),
        ({"format": 1}, "format"),
        ({"think": "deeply"}, "think"),
        ({"options": {"temperature": "hot"}}, "options.temperature"),
        ({"options": {"seed": 10**30}}, "options.seed"),
        ({"options": []}, "options"),
        ({"top_logprobs": 21}, "top_logprobs"),
    ],
)
def test_a_wrong_value_is_named_by_its_path(members: dict[str, Any], path: str) -> None:
    with pytest.raises(CallerFault) as caught:
        chat(**members)
    assert (caught.value.code, caught.value.param) == (Code.INVALID_REQUEST, path)


def test_raw_text_has_no_system() -> None:
    for more in ({"system": "s"}, {"template": "t"}, {"context": [1]}):
        with pytest.raises(CallerFault) as caught:
            generate(raw=True, **more)
        assert caught.value.param == "raw"


@given(st.sampled_from([codec for codec in CLIENTS if codec.dialect.startswith("ollama")]), st.data())
def test_any_json_is_read_or_refused(codec: Any, data: st.DataObject) -> None:
    value = st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=6,
    )
    members = data.draw(st.dictionaries(NAMES, value, max_size=6))
    body = encoded({"model": "m", **members})
    try:
        request = codec.read_request(body, depth=64, headers={})
    except CallerFault as fault:
        assert fault.code in (Code.INVALID_REQUEST, Code.INVALID_JSON, Code.NOT_SUPPORTED)
        return
    assert msgspec.json.encode(request.members["model"])
    for upstream in (OllamaCodec(), OpenAICodec()):
        try:
            upstream.write_request(request, "m", T600)
        except Fault as fault:
            assert fault.code is Code.NOT_SUPPORTED


NAMES = st.sampled_from(
    [
        "messages", "prompt", "input", "suffix", "system", "raw", "template", "context", "images", "options",
        "format", "think", "tools", "stream", "role", "content", "tool_calls", "function", "name", "arguments",
        "num_predict", "temperature", "stop", "keep_alive", "top_k", "seed", "logprobs", "dimensions", "truncate",
    ]
)  # fmt: skip


@pytest.mark.parametrize("dialect", [codec.dialect for codec in CLIENTS if codec.dialect.startswith("ollama")])
@pytest.mark.parametrize("code", list(Code))
def test_errors_are_one_sentence(dialect: str, code: Code) -> None:
    status, headers, body = write_error(dialect, HouseFault(code, "It broke."), "r")
    assert json.loads(body) == {"error": "It broke."}
    assert status >= 400
    assert ("content-type", "application/json") in headers
