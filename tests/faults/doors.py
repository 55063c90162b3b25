"""F18 at the paths of every dialect: who gets in, what is one's own, and what goes on to a provider.

The paths are those of ``lodestard.endpoints.ROUTES``, so that none that is new is forgotten.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from lodestard.endpoints import ROUTES
from lodestard.simulator.answering.question import Answer as SimAnswer
from lodestard.simulator.answering.question import Call
from tests.fakes.world import CHAT, Answer, World, chat, is_question
from tests.faults.isolation import GONE, OLD, STRANGE, key_of

ANN, BOB = ({"authorization": f"Bearer {key_of(name)}"} for name in ("ann", "bob"))
WEATHER = "What will the weather be like in Oslo?"
SECRET = "Zaphod-Beeblebrox"
RESPONSES, MESSAGES = "/v1/responses", "/v1/messages"
STRANGERS = {"none": "", "unknown": STRANGE, "revoked": GONE, "expired": OLD, "foreign": "sk-proj-of-somebody"}
CARRIERS = {"authorization": "Bearer {}", "x-api-key": "{}", "api-key": "{}"}
PROMPTED: Mapping[str, dict[str, Any]] = {
    "/chat/completions": chat("local-llama"),
    "/completions": {"model": "local-llama", "prompt": "One."},
    "/fim/completions": {"model": "local-llama", "prompt": "One.", "suffix": "Three."},
    "/embeddings": {"model": "local-llama", "input": "One."},
    "/responses": {"model": "local-llama", "input": "One."},
    "/messages": chat("local-llama", max_tokens=99),
    "/messages/count_tokens": chat("local-llama"),
    "/api/chat": chat("local-llama"),
    "/api/generate": {"model": "local-llama", "prompt": "One."},
    "/api/embed": {"model": "local-llama", "input": "One."},
    "/api/embeddings": {"model": "local-llama", "prompt": "One."},
    "/api/show": {"model": "local-llama"},
}
"""Bodies that would be answered, for who has a key."""


def doors() -> Iterator[tuple[str, str, str]]:
    """Dialect, method and path of everything that clients can ask for; a path below where all of them are meant."""
    for path, route in ROUTES.items():
        below = path.replace("*", "local-llama")
        for method in (*route.methods, "PATCH"):
            yield route.dialect, method, below if path.startswith("/api/") else f"/v1{below}"


async def knock(world: World, method: str, path: str, headers: Mapping[str, str]) -> Answer:
    body = PROMPTED.get(path.removeprefix("/v1"), {}) if method == "POST" else None
    return await world.request(method, path, body, headers)


async def knock_everywhere(world: World) -> int:
    """Every stranger, by every carrier, at every door; how many."""
    tried = 0
    for (kind, key), carrier, (dialect, method, path) in product(STRANGERS.items(), CARRIERS, doors()):
        fields = {carrier: CARRIERS[carrier].format(key)} if key else {"authorization": ""}
        answer = await knock(world, method, path, fields)
        check_refused(answer, dialect, f"{kind} key as {carrier} at {method} {path}")
        tried += 1
    asked = [name for name, upstream in world.upstreams.items() if any(map(is_question, upstream.app.requests))]
    assert not asked, f"let strangers through to {asked}"
    assert not await world.rows(), "strangers are in the ledger"
    return tried


def check_refused(answer: Answer, dialect: str, what: str) -> None:
    """401, in the words of the path's own clients."""
    assert answer.status == 401, f"{what}: let in with {answer.status}"
    assert answer.headers["www-authenticate"] == "Bearer", what
    error = answer.json["error"]
    match dialect.partition("-")[0]:
        case "anthropic":
            well = (answer.json.get("type"), error["type"]) == (
                "error",
                "authentication_error",
            ) and "code" not in error
        case "ollama":
            well = isinstance(error, str)
        case _:
            well = (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
    assert well, f"{what}: another dialect's refusal: {answer.body!r}"


async def enter_everywhere(world: World) -> int:
    """Who has a key is let in at each of the doors; how many."""
    tried = 0
    for _, method, path in doors():
        answer = await knock(world, method, path, ANN)
        assert answer.status in (200, 400, 404, 405), f"{method} {path}: {answer.status} {answer.body!r}"
        tried += 1
    return tried


# -- what is one's own ---------------------------------------------------------------------------------------------


async def steal_responses(world: World) -> None:
    """Bob knows Ann's ids, and gets nothing by them."""
    first = await world.request("POST", RESPONSES, {"model": "gpt-4o-mini", "input": SECRET}, ANN)
    assert first.status == 200, first.body
    place, item = f"{RESPONSES}/{first.json['id']}", first.json["output"][0]["id"]
    for method, path in (("GET", place), ("GET", f"{place}/input_items"), ("DELETE", place)):
        answer = await world.request(method, path, None, BOB)
        assert answer.status == 404, f"another's response: {method} {path} gave {answer.status}"
    before = len(world.openai.questions)
    reference = [{"type": "item_reference", "id": item}, {"role": "user", "content": "Go on."}]
    for more in ({"input": "Go on.", "previous_response_id": first.json["id"]}, {"input": reference}):
        answer = await world.request("POST", RESPONSES, {"model": "gpt-4o-mini", **more}, BOB)
        assert answer.status in (400, 404), f"another's response was gone on from: {answer.status}"
        assert SECRET.encode() not in answer.body
        mine = await world.request("POST", RESPONSES, {"model": "gpt-4o-mini", **more}, ANN)
        assert mine.status == 200, mine.body
    assert len(world.openai.questions) == before + 2
    assert (await world.request("GET", place, None, ANN)).json == first.json, "its own response is gone"


async def steal_thoughts(world: World) -> None:
    """Bob tells of Ann's calls, by their very ids; what Claude thought before them is not put back for him."""
    claude = world.upstreams["anthropic"]
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
    asked = chat("claude-sonnet", WEATHER, tools=[tool], reasoning_effort="low")
    claude.say(SimAnswer(text="I look.", calls=(Call("get_weather", {"city": "Oslo"}),)))
    first = (await world.request("POST", CHAT, asked, ANN)).json["choices"][0]["message"]
    said = {"role": "assistant", "content": first["content"], "tool_calls": first["tool_calls"]}
    result = {"role": "tool", "tool_call_id": first["tool_calls"][0]["id"], "content": "sunny"}
    body = {**asked, "messages": [*asked["messages"], said, result]}
    for headers, whose, thought in ((BOB, "bob", 0), (ANN, "ann", 1)):
        claude.say("Sunny.")
        answer = await world.request("POST", CHAT, body, headers)
        assert answer.status == 200, answer.body
        kinds = [block["type"] for block in claude.bodies[-1]["messages"][1]["content"]]
        assert kinds.count("thinking") == thought, f"thoughts before {whose}'s calls: {kinds}"


async def steal_kept_answers(world: World) -> None:
    """The same question in each dialect: kept for who asked it, and for nobody else."""
    world.openai.say(*(f"answer {number} of its kind" for number in range(99)))
    question = {"model": "gpt-4o-mini", "temperature": 0}
    asking: Mapping[str, dict[str, Any]] = {
        CHAT: chat("gpt-4o-mini", "In chat.", temperature=0),
        "/v1/completions": {**question, "prompt": "In completions."},
        RESPONSES: {**question, "input": "In responses."},
        MESSAGES: chat("gpt-4o-mini", "In messages.", max_tokens=99, temperature=0),
        "/api/chat": chat("gpt-4o-mini", "In Ollama's chat.", options={"temperature": 0}),
        "/api/generate": {"model": "gpt-4o-mini", "prompt": "In generate.", "options": {"temperature": 0}},
        "/v1/embeddings": {"model": "vectors", "input": "In vectors."},
    }
    for path, body in asking.items():
        told = [await world.request("POST", path, body, headers) for headers in (ANN, BOB, ANN, BOB)]
        assert [answer.status for answer in told] == [200] * 4, (path, told[0].body)
        kept = [answer.lodestar["cache"] for answer in told]
        assert kept == ["miss", "miss", "hit", "hit"], f"another's answer was kept for both at {path}: {kept}"


# -- what goes on to a provider ------------------------------------------------------------------------------------

MOST_CHARS = 8_192  # of a head, as many clients and proxies take
OF_ANTHROPIC = frozenset({"anthropic-version", "anthropic-beta"})


async def send_headers(world: World) -> int:
    """Headers of every kind, by every dialect, to every upstream: which of them arrive; how many were looked at."""
    given = {
        name: f"{SECRET}-{number}"
        for number, name in enumerate(
            (*sorted(OF_ANTHROPIC), "openai-organization", "openai-project", "openai-beta", "x-goog-user-project",
             "cookie", "user-agent", "x-custom", "x-stainless-lang", "anthropic-dangerous-direct-browser-access",
             "x-goog-api-client", "idempotency-key", "baggage", "traceparent", "x-lodestar-session")
        )
    }  # fmt: skip
    looked_at = 0
    for alias in ("local-llama", "gpt-4o-mini", "claude-sonnet", "flash", "responding", "grok-beta"):
        for path, body in chats(alias).items():
            answer = await world.request("POST", path, body, {**ANN, **given})
            assert answer.status == 200, (alias, path, answer.body)
    for name, upstream in world.upstreams.items():
        for request in upstream.app.requests:
            arrived = {field for field, value in request.headers.items() if SECRET in value}
            allowed = OF_ANTHROPIC if name == "anthropic" else frozenset()
            assert arrived <= allowed, f"a client's headers went to {name}: {sorted(arrived - allowed)}"
            looked_at += 1
    return looked_at


def chats(alias: str) -> Mapping[str, dict[str, Any]]:
    return {
        CHAT: chat(alias),
        RESPONSES: {"model": alias, "input": "One."},
        MESSAGES: chat(alias, max_tokens=99),
        "/api/chat": chat(alias, stream=False),
    }


async def drop_secrets(world: World) -> int:
    """A word in every place that can't be carried on: it is in no header and in no trace; how often dropped."""
    odd = {"type": SECRET, "name": SECRET, "text": SECRET, "odd": SECRET}
    members: list[dict[str, Any]] = [
        {"odd": SECRET, "long" * 20_000: 1},
        {"metadata": {SECRET: SECRET}},
        {"tools": [odd]},
        {"tool_choice": odd},
        {"user": SECRET, "service_tier": SECRET, "safety_identifier": SECRET, "prompt_cache_key": SECRET},
        {"store": False, "include": [SECRET], "truncation": SECRET},
        {"logit_bias": {"50256": 1}, "prediction": {"type": "content", "content": SECRET}},
        {"context_management": odd, "mcp_servers": [odd], "container": SECRET, "thinking": odd},
        {"options": {"odd": SECRET}, "template": SECRET, "suffix": SECRET, "raw": True},
        {"response_format": odd, "text": {"format": odd}, "format": SECRET},
        {"messages": [{"role": "user", "content": [{**odd, "type": "text", "cache_control": odd}]}]},
        {"messages": [{"role": "user", "content": [odd]}]},
        {"input": [{"type": SECRET, "role": "user", "content": "One."}]},
    ]  # fmt: skip
    dropped = 0
    for alias, more in product(("local-llama", "gpt-4o-mini", "claude-sonnet", "flash", "responding"), members):
        for path, body in chats(alias).items():
            answer = await world.request("POST", path, {**body, **more}, ANN)
            assert answer.status in (200, 400), (alias, path, more, answer.body)
            dropped += "dropped" in answer.lodestar
            told = "\n".join(answer.headers.values())
            assert len(told) < MOST_CHARS, f"{len(told)} characters of headers at {path}"
            assert SECRET.lower() not in told.lower(), f"a client's word in the headers of {path} {more}: {told}"
            if "request-id" in answer.lodestar:
                attempts = (await world.explain(answer)).trace["attempts"]
                trace = repr([{**attempt, "detail": ""} for attempt in attempts])  # it quotes what was wrong
                assert SECRET.lower() not in trace.lower(), f"a client's word in the trace of {path} {more}: {trace}"
    return dropped
