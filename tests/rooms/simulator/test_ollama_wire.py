"""Transcripts of the simulated Ollama server: what is asked, byte for byte, and what comes back."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from lodestard.simulator.answering.question import Answer, Call
from lodestard.simulator.card.figures import ALL_MODELS, INSTANT, Machine, Pace
from lodestard.simulator.server import Simulator
from lodestard.simulator.tokens import count_tokens
from lodestard.simulator.world import simulate_ollama
from tests.fakes.sim_client import SimClient

Connect = Callable[[Simulator], Awaitable[SimClient]]
Wall = Callable[[], int]
HI = [{"role": "user", "content": "hi"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PACED = Machine(
    models=ALL_MODELS, pace=Pace(load_s=2.0, unload_s=1.0, prefill_tokens_per_s=4.0, decode_tokens_per_s=2.0)
)


async def test_streamed_chat_byte_for_byte(connect: Connect, wall_ns: Wall, autojump_clock: object) -> None:
    client = await connect(simulate_ollama(PACED, wall_ns=wall_ns, script=lambda _: "Hello!"))
    await client.send("POST", "/api/chat", {"model": "llama3.1:8b", "messages": HI})
    received = b""
    while not received.endswith(b"0\r\n\r\n"):
        received += await client.stream.receive_some()
    one = '"model":"llama3.1:8b","created_at":"2026-11-20T10:00:00.123456Z","message":{"role":"assistant","content":"'
    last = (
        '"},"done":true,"done_reason":"stop","total_duration":3500000000,"load_duration":2000000000,'
        '"prompt_eval_count":2,"prompt_eval_duration":500000000,"eval_count":2,"eval_duration":1000000000}\n'
    )
    lines = ["{" + one + 'Hell"},"done":false}\n', "{" + one + 'o!"},"done":false}\n', "{" + one + last]
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n"
        "Date: Fri, 20 Nov 2026 10:00:00 GMT\r\n\r\n"
    )
    assert received.decode() == head + "".join(f"{len(line):x}\r\n{line}\r\n" for line in lines) + "0\r\n\r\n"


async def test_zero_durations_are_left_out_and_plain_answers_are_one_object(
    connect: Connect, wall_ns: Wall, autojump_clock: object
) -> None:
    client = await connect(simulate_ollama(INSTANT, wall_ns=wall_ns, script=lambda _: "Hello!"))
    reply = await client.ask("POST", "/api/chat", {"model": "llama3.1:8b", "messages": HI, "stream": False})
    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    assert reply.json == {
        "model": "llama3.1:8b",
        "created_at": "2026-11-20T10:00:00.123456Z",
        "message": {"role": "assistant", "content": "Hello!"},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 2,
        "eval_count": 2,
    }


async def test_no_byte_before_the_first_token(connect: Connect, wall_ns: Wall, autojump_clock: object) -> None:
    client = await connect(simulate_ollama(PACED, wall_ns=wall_ns, script=lambda _: "Hello!"))
    began = trio.current_time()
    await client.send("POST", "/api/chat", {"model": "llama3.1:8b", "messages": HI})
    await client.stream.receive_some()
    assert trio.current_time() - began == pytest.approx(2.0 + 0.5 + 0.5)


@pytest.mark.parametrize(
    ("body", "text", "reason", "count"),
    [
        ({"options": {"num_predict": 1}}, "one ", "length", 1),
        ({"options": {"stop": ["two"]}}, "one ", "stop", 1),
        ({"options": {"stop": "wo t"}}, "one t", "stop", 2),
        ({"options": {"num_predict": -1}}, "one two three", "stop", 4),
        ({"options": {"num_ctx": 4}, "shift": False}, "one two ", "length", 2),
    ],
)
async def test_limits_and_stops(
    connect: Connect, wall_ns: Wall, body: dict[str, Any], text: str, reason: str, count: int
) -> None:
    client = await connect(simulate_ollama(INSTANT, wall_ns=wall_ns, script=lambda _: "one two three"))
    reply = await client.ask("POST", "/api/chat", {"model": "llama3.1:8b", "messages": HI, **body})
    assert "".join(line["message"]["content"] for line in reply.lines) == text
    assert reply.lines[-1]["done_reason"] == reason
    assert reply.lines[-1]["eval_count"] == count


async def test_tool_calls_have_object_arguments(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_ollama(INSTANT, wall_ns=wall_ns))
    question = [{"role": "user", "content": "What is the weather in Paris?"}]
    body = {"model": "llama3.1:8b", "messages": question, "tools": [TOOL]}
    lines = (await client.ask("POST", "/api/chat", body)).lines
    (call,) = lines[0]["message"]["tool_calls"]
    assert call["function"] == {"index": 0, "name": "get_weather", "arguments": {"city": "Paris"}}
    assert call["id"]
    assert (lines[-1]["done"], lines[-1]["done_reason"]) == (True, "stop")
    plain = (await client.ask("POST", "/api/chat", {**body, "stream": False})).json
    assert plain["message"]["tool_calls"][0]["function"]["name"] == "get_weather"
    answered = [*question, {"role": "tool", "content": "sunny"}]
    lines = (await client.ask("POST", "/api/chat", {**body, "messages": answered})).lines
    assert "tool_calls" not in lines[0]["message"]


async def test_thinking_comes_first_and_apart(connect: Connect, wall_ns: Wall) -> None:
    answer = Answer(text="yes", thinking="hmm.")
    client = await connect(simulate_ollama(INSTANT, wall_ns=wall_ns, script=lambda _: answer))
    lines = (await client.ask("POST", "/api/chat", {"model": "qwen3:1.7b", "messages": HI, "think": True})).lines
    assert lines[0]["message"] == {"role": "assistant", "content": "", "thinking": "hmm."}
    assert lines[1]["message"]["content"] == "yes"
    plain = await client.ask("POST", "/api/chat", {"model": "qwen3:1.7b", "messages": HI, "stream": False})
    assert plain.json["message"]["thinking"] == "hmm."
    body = {"model": "qwen3:1.7b", "prompt": "hi"}
    assert (await client.ask("POST", "/api/generate", body)).lines[0]["thinking"] == "hmm."
    assert (await client.ask("POST", "/api/generate", {**body, "stream": False})).json["thinking"] == "hmm."


async def test_json_and_schema_formats(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_ollama(INSTANT, wall_ns=wall_ns))
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 7}}, "required": ["n"]}
    body = {"model": "llama3.1:8b", "messages": HI, "stream": False}
    reply = await client.ask("POST", "/api/chat", {**body, "format": schema})
    assert reply.json["message"]["content"] == '{"n":7}'
    reply = await client.ask("POST", "/api/chat", {**body, "format": "json"})
    assert reply.json["message"]["content"].startswith('{"answer":')


async def test_same_seed_same_words(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_ollama(INSTANT, wall_ns=wall_ns))

    async def words(seed: int) -> str:
        body = {"model": "llama3.1:8b", "messages": HI, "stream": False, "options": {"seed": seed}}
        return str((await client.ask("POST", "/api/chat", body)).json["message"]["content"])

    assert await words(1) == await words(1)
    assert len({await words(seed) for seed in range(6)}) > 1


async def test_generate_with_context_raw_and_suffix(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_ollama(INSTANT, wall_ns=wall_ns, script=lambda q: "mid" if q.suffix else None))
    body = {"model": "deepseek-coder:6.7b", "prompt": "def f():", "system": "be brief"}
    lines = (await client.ask("POST", "/api/generate", body)).lines
    assert all("response" in line for line in lines)
    assert lines[-1]["context"]
    raw = (await client.ask("POST", "/api/generate", {**body, "raw": True, "stream": False})).json
    assert "context" not in raw
    filled = await client.ask("POST", "/api/generate", {**body, "suffix": "return x", "stream": False})
    assert filled.json["response"] == "mid"


async def test_load_and_unload(connect: Connect, wall_ns: Wall, autojump_clock: object) -> None:
    client = await connect(simulate_ollama(PACED, wall_ns=wall_ns))
    loaded = await client.ask("POST", "/api/generate", {"model": "llama3.1:8b", "keep_alive": "10m"})
    assert loaded.json == {
        "model": "llama3.1:8b",
        "created_at": "2026-11-20T10:00:00.123456Z",
        "response": "",
        "done": True,
        "done_reason": "load",
    }
    assert loaded.headers["content-type"].startswith("application/json")
    (entry,) = (await client.ask("GET", "/api/ps")).json["models"]
    assert entry["expires_at"] == "2026-11-20T10:10:00.123456Z"
    assert entry["context_length"] == 4096
    assert 0 < entry["size_vram"] < entry["size"]
    body = {"model": "llama3.1:8b", "messages": [], "keep_alive": 0}
    unloaded = await client.ask("POST", "/api/chat", body)
    assert unloaded.json["done_reason"] == "unload"
    assert unloaded.json["message"] == {"role": "assistant", "content": ""}
    assert (await client.ask("GET", "/api/ps")).json == {"models": []}


async def test_forever_is_far_away(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_ollama(INSTANT, wall_ns=wall_ns))
    await client.ask("POST", "/api/generate", {"model": "llama3.1:8b", "keep_alive": -1})
    (entry,) = (await client.ask("GET", "/api/ps")).json["models"]
    assert entry["expires_at"].startswith("2318-")


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("/api/chat", {"model": "nope", "messages": HI}, 404, "model 'nope' not found"),
        ("/api/chat", {"messages": HI}, 400, "model is required"),
        ("/api/chat", b"", 400, "missing request body"),
        ("/api/chat", b"{", 400, "invalid character in the request body: not a JSON object"),
        ("/api/chat", {"model": "llama3.1:8b", "messages": "hi"}, 400, None),
        ("/api/chat", {"model": "llama3.1:8b", "messages": ["hi"]}, 400, None),
        ("/api/chat", {"model": "llama3.1:8b", "messages": HI, "tools": ["x"]}, 400, None),
        ("/api/chat", {"model": 3, "messages": HI}, 400, None),
        (
            "/api/chat",
            {"model": "deepseek-coder:6.7b", "messages": HI, "tools": [TOOL]},
            400,
            "registry.ollama.ai/library/deepseek-coder:6.7b does not support tools",
        ),
        (
            "/api/chat",
            {"model": "llama3.1:8b", "messages": HI, "think": True},
            400,
            '"llama3.1:8b" does not support thinking',
        ),
        (
            "/api/generate",
            {"model": "llama3.1:8b", "prompt": "a", "suffix": "b"},
            400,
            "registry.ollama.ai/library/llama3.1:8b does not support insert",
        ),
        (
            "/api/chat",
            {"model": "llama3.1:8b", "messages": [{"role": "user", "content": "see", "images": ["aGk="]}]},
            400,
            "this model is missing data required for image input",
        ),
        (
            "/api/chat",
            {"model": "nomic-embed-text", "messages": HI},
            400,
            '"nomic-embed-text:latest" does not support chat',
        ),
        (
            "/api/chat",
            {"model": "llama3.1:8b", "messages": HI, "keep_alive": "300"},
            400,
            'time: missing unit in duration "300"',
        ),
        ("/api/show", {}, 400, "model is required"),
        ("/api/pull", {"model": "nope", "stream": False}, 500, "pull model manifest: file does not exist"),
        ("/api/embed", {"model": "nomic-embed-text", "input": [3]}, 400, "invalid input type"),
        (
            "/api/embed",
            {"model": "nomic-embed-text", "input": "x" * 9000, "truncate": False},
            400,
            "the input length exceeds the context length",
        ),
    ],
)
async def test_errors_before_the_first_byte(
    connect: Connect, wall_ns: Wall, path: str, body: Any, status: int, error: str | None
) -> None:
    client = await connect(simulate_ollama(INSTANT, wall_ns=wall_ns))
    reply = await client.ask("POST", path, body)
    assert reply.status == status
    assert list(reply.json) == ["error"]
    assert error is None or reply.json["error"] == error


async def test_a_long_conversation_loses_its_oldest_turns_silently(connect: Connect, wall_ns: Wall) -> None:
    heard: list[list[str]] = []
    simulator = simulate_ollama(INSTANT, wall_ns=wall_ns, script=lambda q: heard.append([t.text for t in q.turns]))
    client = await connect(simulator)
    turns = [{"role": "system", "content": "rules"}]
    turns += [{"role": "user", "content": f"{n}" * 2000} for n in range(4)]
    body = {"model": "llama3.1:8b", "messages": turns, "options": {"num_ctx": 1100}}
    reply = await client.ask("POST", "/api/chat", body)
    assert [text[0] for text in heard[0]] == ["r", "2", "3"]
    assert reply.lines[-1]["prompt_eval_count"] <= 1100
    refused = await client.ask("POST", "/api/chat", {**body, "truncate": False})
    assert (refused.status, refused.json) == (400, {"error": "the input length exceeds the context length"})
    small = {"model": "llama3.1:8b", "messages": turns[:2], "options": {"num_ctx": 16}}
    assert (await client.ask("POST", "/api/chat", small)).status == 200


async def test_images_for_a_model_that_sees(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_ollama(INSTANT, wall_ns=wall_ns))
    seen = [{"role": "user", "content": "what is this?", "images": ["aGk="]}]
    reply = await client.ask("POST", "/api/chat", {"model": "moondream:1.8b", "messages": seen})
    assert reply.lines[-1]["prompt_eval_count"] > 256


async def test_catalogue(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_ollama(INSTANT, wall_ns=wall_ns))
    tags = (await client.ask("GET", "/api/tags")).json["models"]
    first = tags[0]
    assert (first["name"], first["model"], first["size"]) == (
        "deepseek-coder:6.7b",
        "deepseek-coder:6.7b",
        3_800_000_000,
    )
    assert first["capabilities"] == ["completion", "insert"]
    for member in ("model", "name"):
        show = (await client.ask("POST", "/api/show", {member: "llama3.1:8b"})).json
        assert show["model_info"]["llama.block_count"] == 32
        assert show["model_info"]["llama.attention.head_count_kv"] == 8
        assert show["capabilities"] == ["completion", "tools"]
    assert (await client.ask("GET", "/api/version")).json == {"version": "0.33.0"}
    root = await client.ask("GET", "/")
    assert (root.status, root.body) == (200, b"Ollama is running")
    for path in ("/", "/api/version", "/api/tags"):
        head = await client.ask("HEAD", path)
        assert (head.status, head.body) == (200, b"")
    assert (await client.ask("GET", "/nope")).status == 404
    assert (await client.ask("GET", "/api/chat")).status == 405


async def test_embeddings(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_ollama(INSTANT, wall_ns=wall_ns))
    texts = ["the red house", "the red barn", "quite unlike it"]
    reply = (await client.ask("POST", "/api/embed", {"model": "nomic-embed-text", "input": texts})).json
    one, two, three = reply["embeddings"]
    assert len(one) == 768
    assert reply["prompt_eval_count"] == sum(count_tokens(text) for text in texts)
    assert sum(a * b for a, b in zip(one, two, strict=True)) > sum(a * b for a, b in zip(one, three, strict=True))
    short = {"model": "nomic-embed-text", "input": "x" * 9000, "dimensions": 8}
    assert len((await client.ask("POST", "/api/embed", short)).json["embeddings"][0]) == 8
    old = await client.ask("POST", "/api/embeddings", {"model": "nomic-embed-text", "prompt": "the red house"})
    assert old.json == {"embedding": one}
    assert (await client.ask("POST", "/api/embeddings", {"model": "nomic-embed-text"})).json == {"embedding": []}


async def test_foreign_hosts_are_refused_where_loopback_is_guarded(connect: Connect, wall_ns: Wall) -> None:
    import msgspec

    server = msgspec.structs.replace(INSTANT.server, checks_host=True)
    client = await connect(simulate_ollama(msgspec.structs.replace(INSTANT, server=server), wall_ns=wall_ns))
    assert (await client.ask("GET", "/api/version")).status == 200
    for host, status in (("127.0.0.1:11434", 200), ("[::1]:1", 200), ("evil.example", 403), ("box.local", 200)):
        await client.stream.send_all(f"GET / HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        assert (await client.receive()).status == status


async def test_scripted_tool_call_by_header_and_queue(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_ollama(INSTANT, wall_ns=wall_ns)
    client = await connect(simulator)
    body = {"model": "llama3.1:8b", "messages": HI, "stream": False}
    reply = await client.ask("POST", "/api/chat", body, x_sim_answer="gr%C3%BC%C3%9F%20dich")
    assert reply.json["message"]["content"] == "grüß dich"
    simulator.app.mind.queue([Answer(calls=(Call("f", {"a": 1}),)), "next"])
    reply = await client.ask("POST", "/api/chat", body)
    assert reply.json["message"]["tool_calls"][0]["function"]["arguments"] == {"a": 1}
    assert (await client.ask("POST", "/api/chat", body)).json["message"]["content"] == "next"
    exact = {"answers": ["first", {"text": "second"}]}
    assert (await client.ask("POST", "/__sim/answers", exact)).json == {"ok": True}
    assert (await client.ask("POST", "/api/chat", body)).json["message"]["content"] == "first"
    assert (await client.ask("POST", "/api/chat", body)).json["message"]["content"] == "second"


async def test_meter_and_state_of_the_free_server(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_ollama(INSTANT, wall_ns=wall_ns)
    client = await connect(simulator)
    await client.ask("POST", "/api/chat", {"model": "llama3.1:8b", "messages": HI})
    meter = (await client.ask("GET", "/__sim/meter")).json
    assert meter == {
        "requests": {"/api/chat": 1},
        "loads": 1,
        "aborted_loads": 0,
        "restarts": 0,
        "loading_s": meter["loading_s"],
        "memory_wait_s": meter["memory_wait_s"],
        "reading_s": meter["reading_s"],
        "writing_s": meter["writing_s"],
        "reloads": 0,
        "prompt_tokens": 2,
        "read_tokens": 2,
        "most_bytes": meter["most_bytes"],
        "card_bytes": 4 << 30,
        "nano_usd": 0,
    }
    assert 0 < meter["most_bytes"] < meter["card_bytes"]
    assert 0 <= meter["loading_s"] + meter["memory_wait_s"] < 1
    state = (await client.ask("GET", "/__sim/state")).json
    assert state == {"loaded": ["llama3.1:8b"], "loading": "", "waiting": 0, "aborted_loads": 0}
    await client.ask("POST", "/__sim/reset")
    assert (await client.ask("GET", "/__sim/state")).json["loaded"] == []
    assert (await client.ask("GET", "/__sim/nope")).status == 404
    assert simulator.crashes == []
