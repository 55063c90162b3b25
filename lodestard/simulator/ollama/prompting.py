"""What ``/api/chat`` and ``/api/generate`` ask for, read from their JSON with Ollama's own errors.

Law: pure. One record (`Prompting`) for both, so that everything after it is written once.
"""

from collections.abc import Mapping

import msgspec

from lodestard.simulator.answering.question import Json, Question, Tool, Turn
from lodestard.simulator.card.arithmetic import RunnerOptions
from lodestard.simulator.card.durations import DurationError, parse_keep_alive
from lodestard.simulator.card.figures import Model, ServerSettings
from lodestard.simulator.exchange import Refusal
from lodestard.simulator.reading import Members, decode_object, json_type
from lodestard.simulator.tokens import count_tokens

_GO_TYPES = {
    "string": "string",
    "integer": "int",
    "number": "float64",
    "array": "[]api.Message",
    "object": "map[string]interface {}",
    "boolean": "bool",
}
_IMAGE_TOKENS = 256


class Prompting(msgspec.Struct, frozen=True, kw_only=True):
    """One request for words. ``keep_alive_s`` None: not given; ``max_tokens`` None: no limit."""

    model: str
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    format: Json = None
    stream: bool = True
    think: bool | None = None
    keep_alive_s: float | None = None
    truncate: bool = True
    shift: bool = True
    raw: bool = False
    suffix: str | None = None
    options: Mapping[str, Json] = {}
    empty: bool = False

    @property
    def images(self) -> int:
        return sum(turn.images for turn in self.turns)

    @property
    def max_tokens(self) -> int | None:
        limit = self.options.get("num_predict")
        return int(limit) if isinstance(limit, (int, float)) and limit >= 0 else None

    @property
    def stops(self) -> list[str]:
        stop = self.options.get("stop") or []
        return [stop] if isinstance(stop, str) else [str(one) for one in stop]


def read_body(body: bytes) -> Members:
    """Raises `Refusal` (400) in Go's words."""
    if not body.strip():
        raise Refusal(400, "missing request body")
    raw = decode_object(body)
    if raw is None:
        raise Refusal(400, "invalid character in the request body: not a JSON object")
    return Members(raw, _complain)


def read_chat(body: bytes) -> Prompting:
    members = read_body(body)
    messages = members.items("messages")
    if not members.text("model"):
        raise Refusal(400, "model is required")
    return Prompting(
        turns=tuple(_turn(message) for message in messages),
        tools=tuple(_tool(tool) for tool in members.items("tools")),
        empty=not messages,
        **_shared(members),
    )


def read_generate(body: bytes) -> Prompting:
    members = read_body(body)
    prompt, system = members.text("prompt"), members.text("system")
    turns = [Turn("system", system)] if system else []
    turns.append(Turn("user", prompt, len(members.items("images"))))
    return Prompting(
        turns=tuple(turns),
        raw=members.flag("raw", False),
        suffix=members.text("suffix") or None,
        empty=not prompt and not members.text("suffix"),
        **_shared(members),
    )


def _shared(members: Members) -> dict[str, Json]:
    think = members.raw.get("think")
    return {
        "model": members.text("model"),
        "format": members.raw.get("format"),
        "stream": members.flag("stream", True),
        "think": think if think is None or isinstance(think, bool) else True,
        "keep_alive_s": read_keep_alive(members),
        "truncate": members.flag("truncate", True),
        "shift": members.flag("shift", True),
        "options": members.inner("options").raw,
    }


def read_keep_alive(members: Members) -> float | None:
    try:
        return parse_keep_alive(members.raw.get("keep_alive"))
    except DurationError as error:
        raise Refusal(400, str(error)) from None


def question_of(prompting: Prompting, model: Model, turns: tuple[Turn, ...]) -> Question:
    """The question in the simulator's own words; ``turns`` are those that were not truncated away."""
    schema = prompting.format if isinstance(prompting.format, dict) else None
    seed = prompting.options.get("seed", 0)
    return Question(
        model=model.name,
        turns=turns,
        tools=prompting.tools,
        schema=schema,
        json_wanted=prompting.format == "json",
        seed=int(seed) if isinstance(seed, (int, float)) else 0,
        suffix=prompting.suffix,
        thinking=model.can("thinking") and prompting.think is not False,
    )


def runner_options(prompting: Prompting, model: Model, server: ServerSettings) -> RunnerOptions:
    """The runner's effective options: the server's defaults filled in, the context clamped to the trained one."""
    asked = Members(prompting.options, _complain)
    num_gpu = asked.integer("num_gpu")
    num_ctx = asked.integer("num_ctx") or server.context_tokens
    return RunnerOptions(
        num_ctx=max(4, min(num_ctx, model.context_tokens)),
        num_batch=asked.integer("num_batch") or 512,
        num_gpu=num_gpu if num_gpu is not None and num_gpu >= 0 else None,
        main_gpu=asked.integer("main_gpu") or 0,
        use_mmap=asked.flag("use_mmap", True) if asked.has("use_mmap") else None,
        num_thread=asked.integer("num_thread") or 0,
        draft_num_predict=asked.integer("draft_num_predict") or 0,
        shift=prompting.shift,
    )


def fit_turns(prompting: Prompting, num_ctx: int) -> tuple[Turn, ...]:
    """The turns that fit the context: the oldest that are not the system's go first, silently; the last one stays.

    Raises `Refusal` (400) where ``truncate`` is false and something would have to go.
    """
    turns = prompting.turns
    while prompt_tokens(turns, prompting.tools) > num_ctx:
        if not prompting.truncate:
            raise Refusal(400, "the input length exceeds the context length")
        oldest = next((at for at, turn in enumerate(turns[:-1]) if turn.role != "system"), None)
        if oldest is None:
            return turns
        turns = turns[:oldest] + turns[oldest + 1 :]
    return turns


def render(turns: tuple[Turn, ...], tools: tuple[Tool, ...]) -> str:
    """The prompt as the model reads it."""
    listing = "".join(f"{tool.name} {msgspec.json.encode(tool.schema).decode()}\n" for tool in tools)
    return listing + "".join(f"{turn.role}\n{turn.text}\n" for turn in turns)


def prompt_tokens(turns: tuple[Turn, ...], tools: tuple[Tool, ...]) -> int:
    return count_tokens(render(turns, tools)) + _IMAGE_TOKENS * sum(turn.images for turn in turns)


def _turn(message: Json) -> Turn:
    if not isinstance(message, dict):
        raise _complain("messages", "object", json_type(message))
    members = Members(message, _complain)
    text = members.text("content")
    for call in members.items("tool_calls"):
        text += msgspec.json.encode(call).decode()
    return Turn(members.text("role", "user"), text, len(members.items("images")))


def _tool(tool: Json) -> Tool:
    function = Members(tool, _complain).inner("function") if isinstance(tool, dict) else None
    if function is None:
        raise _complain("tools", "object", json_type(tool))
    return Tool(function.text("name"), function.inner("parameters").raw)


def _complain(name: str, wanted: str, had: str) -> Refusal:
    return Refusal(
        400, f"json: cannot unmarshal {had} into Go struct field ChatRequest.{name} of type {_GO_TYPES[wanted]}"
    )
