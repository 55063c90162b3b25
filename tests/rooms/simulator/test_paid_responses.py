"""The Responses API of the simulated providers: judged by OpenAI's own types, refusals, and what the meter says."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from lodestard.simulator.answering.question import Answer, Call
from lodestard.simulator.paid.openai_app import OpenAIApp
from lodestard.simulator.paid.providers import OPENAI, XAI, Provider
from lodestard.simulator.server import Simulator
from lodestard.simulator.world import simulate_provider
from tests.fakes.sim_client import SimClient

Connect = Callable[[Simulator], Awaitable[SimClient]]
Wall = Callable[[], int]
RESPONSES = "/v1/responses"
ASK: dict[str, Any] = {"model": "gpt-4o-mini", "input": "hi"}
THINK: dict[str, Any] = {"model": "o4-mini", "input": "hi", "include": ["reasoning.encrypted_content"]}
TOOL = {
    "type": "function",
    "name": "get_weather",
    "strict": False,
    "parameters": {"type": "object", "properties": {"x": {"type": "string"}}},
}
CALLS = Answer(text="Let me see.", calls=(Call("get_weather", {"x": "a"}), Call("get_weather", {"x": "b"})))
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def meter_of(simulator: Simulator) -> Any:
    assert isinstance(simulator.app, OpenAIApp)
    return simulator.app.desk.meter


async def test_a_plain_answer(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_provider(OPENAI, wall_ns=wall_ns, script=lambda _: "Hello!")
    reply = await (await connect(simulator)).ask("POST", RESPONSES, ASK)
    read = Response.model_validate(reply.json, strict=True)
    assert (read.id, read.status, read.output_text, read.model) == (
        *("resp_sim00000000", "completed", "Hello!", "gpt-4o-mini"),
    )
    assert reply.json["usage"] == {
        "input_tokens": 2,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 4,
    }
    assert meter_of(simulator).nano_usd == 2 * 150 + 2 * 600


@pytest.mark.parametrize("provider", [OPENAI, XAI])
async def test_events_are_openai_s_and_add_up_to_the_plain_answer(
    connect: Connect, wall_ns: Wall, provider: Provider
) -> None:
    simulator = simulate_provider(provider, wall_ns=wall_ns, script=lambda _: CALLS)
    client = await connect(simulator)
    model = "o4-mini" if provider is OPENAI else "grok-3-mini"
    asked = {**THINK, "model": model, "tools": [TOOL]}
    events = (await client.ask("POST", RESPONSES, {**asked, "stream": True})).events
    plain = (await client.ask("POST", RESPONSES, asked)).json
    for event in events:
        EVENT.validate_python(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    whole = events[-1]["response"]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert [item["type"] for item in done] == ["reasoning", "message", "function_call", "function_call"]
    assert done == whole["output"]
    said = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert said == "Let me see."
    for at in (2, 3):
        kind = "response.function_call_arguments.delta"
        argued = [event["delta"] for event in events if event["type"] == kind and event["output_index"] == at]
        assert "".join(argued) == done[at]["arguments"]
    first, second = meter_of(simulator).entries
    assert (first.nano_usd, first.tokens) == (second.nano_usd, second.tokens)
    assert [item["type"] for item in plain["output"]] == [item["type"] for item in done]


async def test_the_bill_of_xai(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_provider(XAI, wall_ns=wall_ns, script=lambda _: "Hello!")
    reply = await (await connect(simulator)).ask("POST", RESPONSES, {**THINK, "model": "grok-3-mini"})
    usage = reply.json["usage"]
    assert (usage["output_tokens"], usage["output_tokens_details"]["reasoning_tokens"]) == (2, 48)
    assert usage["total_tokens"] == usage["input_tokens"] + 50
    assert usage["cost_in_usd_ticks"] == meter_of(simulator).nano_usd * 10
    assert reply.json["output"][0]["summary"][0]["text"].startswith("Let me check")


async def test_an_answer_that_its_limit_ends(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_provider(OPENAI, wall_ns=wall_ns, script=lambda _: "word " * 100))
    reply = await client.ask("POST", RESPONSES, {**ASK, "max_output_tokens": 16})
    assert (reply.json["status"], reply.json["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    events = (await client.ask("POST", RESPONSES, {**ASK, "max_output_tokens": 16, "stream": True})).events
    assert (events[-1]["type"], events[-1]["response"]["usage"]["output_tokens"]) == ("response.incomplete", 16)


async def test_what_was_thought_can_be_brought_back_and_costs(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_provider(OPENAI, wall_ns=wall_ns, script=lambda _: CALLS)
    client = await connect(simulator)
    first = (await client.ask("POST", RESPONSES, {**THINK, "tools": [TOOL]})).json
    outputs = [
        {"type": "function_call_output", "call_id": item["call_id"], "output": "sunny"}
        for item in first["output"]
        if item["type"] == "function_call"
    ]
    history = [{"role": "user", "content": "hi"}, *first["output"], *outputs]
    second = await client.ask("POST", RESPONSES, {**THINK, "tools": [TOOL], "input": history})
    assert second.status == 200
    thoughtless = [item for item in history if item.get("type") != "reasoning"]
    third = await client.ask("POST", RESPONSES, {**THINK, "tools": [TOOL], "input": thoughtless})
    thought = second.json["usage"]["input_tokens"] - third.json["usage"]["input_tokens"]
    assert thought == first["usage"]["output_tokens_details"]["reasoning_tokens"] == 64


SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAAb3RoZXIKdA=="}
SAID = {"role": "assistant", "content": "x"}
USER, RESULT = {"role": "user", "content": "x"}, {"type": "function_call_output", "call_id": "c", "output": "x"}


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({**ASK, "model": "nobody"}, 404, "does not exist"),
        ({"model": "gpt-4o-mini"}, 400, "'input'"),
        ({**ASK, "input": []}, 400, "'input'"),
        ({**ASK, "input": [5]}, 400, "input[0]"),
        ({**ASK, "messages": []}, 400, "Unknown parameter: 'messages'"),
        ({**ASK, "stop": "x"}, 400, "Unknown parameter: 'stop'"),
        ({**ASK, "previous_response_id": "resp_1"}, 400, "Previous response with id 'resp_1' not found"),
        ({**ASK, "max_output_tokens": 15}, 400, "below minimum"),
        ({**ASK, "reasoning": {"effort": "low"}}, 400, "reasoning.effort"),
        ({**THINK, "model": "gpt-4o-mini"}, 400, "Encrypted content is not supported"),
        ({**THINK, "temperature": 0.5}, 400, "temperature"),
        ({**ASK, "text": {"format": {"type": "json_object"}}, "instructions": "JSON"}, 400, "the word 'json'"),
        ({**ASK, "tools": [{"type": "web_search"}]}, 400, "tools[0].type"),
        ({**ASK, "tools": [{"type": "function"}]}, 400, "tools[0].name"),
        ({**ASK, "input": [{"type": "odd"}]}, 400, "'odd'"),
        ({**ASK, "input": [{"role": "tool", "content": "x"}]}, 400, "'tool'"),
        ({**ASK, "input": [{"role": "user", "content": 5}]}, 400, "input[0].content"),
        ({**ASK, "input": [{"role": "user", "content": [{"type": "text"}]}]}, 400, "'input_text'"),
        ({**ASK, "input": [{"role": "assistant", "content": [{"type": "input_text"}]}]}, 400, "'output_text'"),
        ({**ASK, "input": [USER, RESULT]}, 400, "No tool call found"),
        ({**THINK, "input": [SEALED, USER]}, 400, "required following item"),
        ({**THINK, "input": [SEALED, SAID]}, 400, "could not be verified"),
        ({**THINK, "input": [SEALED | {"encrypted_content": "ü"}, SAID]}, 400, "could not be verified"),
        ({**ASK, "input": [RESULT | {"type": "function_call"}]}, 400, "input[0].name"),
        (
            {**THINK, "input": [SEALED | {"encrypted_content": None}, SAID]},
            404,
            "rs_1",
        ),
        ({**THINK, "input": [SEALED | {"summary": None}, SAID]}, 400, "summary"),
        ({**ASK, "input": "word " * 150_000}, 400, "maximum context length"),
    ],
)
async def test_refusals_cost_nothing(
    connect: Connect, wall_ns: Wall, asked: dict[str, Any], status: int, words: str
) -> None:
    simulator = simulate_provider(OPENAI, wall_ns=wall_ns)
    reply = await (await connect(simulator)).ask("POST", RESPONSES, asked)
    assert (reply.status, words in reply.json["error"]["message"]) == (status, True)
    assert meter_of(simulator).billed == 0


async def test_failures_in_the_middle(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_provider(OPENAI, wall_ns=wall_ns, script=lambda _: "Hello, you!")
    client = await connect(simulator)
    simulator.faults.queue(["error=5;message=it broke"])
    events = (await client.ask("POST", RESPONSES, {**ASK, "stream": True})).events
    assert (events[-1]["type"], events[-1]["response"]["error"]) == (
        *("response.failed", {"code": "server_error", "message": "it broke"}),
    )
    client = await connect(simulator)
    simulator.faults.queue(["error=5;code=error_event"])
    events = (await client.ask("POST", RESPONSES, {**ASK, "stream": True})).events
    assert (events[-1]["type"], events[-1]["code"]) == ("error", "server_error")
    client = await connect(simulator)
    simulator.faults.queue(["no_done", "no_usage"])
    assert (await client.ask("POST", RESPONSES, {**ASK, "stream": True})).events[-1]["type"].endswith("item.done")
    assert (await client.ask("POST", RESPONSES, {**ASK, "stream": True})).events[-1]["response"]["usage"] is None
    assert [entry.outcome for entry in meter_of(simulator).entries] == ["cut", "cut", "whole", "whole"]


async def test_logprobs_where_they_are_asked_for(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_provider(OPENAI, wall_ns=wall_ns, script=lambda _: "Hello!"))
    asked = {**ASK, "include": ["message.output_text.logprobs"], "top_logprobs": 2}
    (part,) = (await client.ask("POST", RESPONSES, asked)).json["output"][0]["content"]
    assert [entry["token"] for entry in part["logprobs"]] == ["Hell", "o!"]
    assert len(part["logprobs"][0]["top_logprobs"]) == 2
