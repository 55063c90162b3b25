"""The proxy's port for people: paths, header fields, faults. From the routes, the codecs and the table of faults.

What no table of the code says in words stands here; tests hold its names against the code.
"""

from collections.abc import Iterator

import msgspec

from lodestard.classify.caller import PREFERENCES, PRIORITIES
from lodestard.domain.errors import CallerFault, Code, Fault
from lodestard.endpoints import OPEN, ROUTES
from lodestard.modules.metrics.settings import MetricsSettings
from lodestard.protocols.error_bodies import write_error

WHAT = {
    "POST /chat/completions": "OpenAI's chat completions",
    "GET /models": "the aliases that whoever asks may use; in Anthropic's shape for who sends `anthropic-version`",
    "GET /models/*": "one alias",
    "POST /completions": "OpenAI's completions (text, not chat), with `suffix` too",
    "POST /fim/completions": "Mistral's fill in the middle",
    "POST /embeddings": "OpenAI's embeddings",
    "POST /responses": "OpenAI's Responses",
    "GET /responses/*": "a response that was kept, or what went into it (`/responses/ID/input_items`)",
    "DELETE /responses/*": "forgets it",
    "POST /messages": "Anthropic's Messages",
    "POST /messages/count_tokens": "how many tokens a prompt is for the first model that would be asked",
    "POST /api/chat": "Ollama's chat",
    "POST /api/generate": "Ollama's completions",
    "POST /api/embed": "Ollama's embeddings",
    "POST /api/embeddings": "Ollama's embeddings, the older ones",
    "GET /api/tags": "the aliases, as Ollama lists its models",
    "GET /api/ps": "the aliases whose first model is in some card's memory",
    "GET /api/version": "a version of Ollama's API",
    "POST /api/show": "one alias, as Ollama shows a model",
    "POST /api/pull": "refused: `lodestarctl models pull` does it",
    "POST /api/create": "refused: models are configured",
    "POST /api/copy": "refused: models are configured",
    "POST /api/push": "refused: models are configured",
    "DELETE /api/delete": "refused: models are configured",
    "GET /api/blobs/*": "refused: models are configured",
    "POST /api/blobs/*": "refused: models are configured",
    "POST /lodestar/feedback": 'verdicts on answers: `{"id": "req_…", "verdict": "good"}`',
}
OPEN_WHAT = {
    "/": "the process answers",
    "/health/live": "the same",
    "/health/ready": "200 where requests are taken, otherwise 503 with the reason",
}
READ = {
    "x-lodestar-project": "the project; before a key's label and the folder",
    "x-lodestar-folder": "the folder that is worked in; its last name is the project where none is named",
    "x-lodestar-user": "the user",
    "x-lodestar-session": "the session",
    "x-lodestar-client": "the program, where `user-agent` does not tell",
    "x-lodestar-task": "what it is for: `edit`, `commit`, `test`, `debug` …",
    "x-lodestar-priority": f"{', '.join(f'`{each}`' for each in PRIORITIES)}: who goes first to the card",
    "x-lodestar-prefer": f"{', '.join(f'`{each}`' for each in PREFERENCES)}: what counts most in the choice",
    "x-lodestar-tags": "tags for rules, with commas between",
    "x-lodestar-deadline-s": "seconds within which an answer must be whole, or a stream have begun",
    "x-lodestar-tell": "`waiting`: tells in a stream, as reasoning, what is waited for",
    "x-lodestar-feedback": "verdicts on earlier answers: `req_…=good, req_…=bad`",
}
READ_OF_OTHERS = {
    "authorization, x-api-key, api-key": "a client's key (`Bearer` before it in the first), with labels behind it: "
    "`KEY:PROJECT:SESSION:USER`; where no client has a key, labels alone: `lodestar:PROJECT`",
    "cache-control": "`no-store` keeps nothing, `no-cache` asks anew",
    "idempotency-key": "under the same one the same request gets the same answer while that is kept; another request "
    "is refused",
    "content-type": "`application/json`, but for Ollama's paths",
    "content-encoding": "`gzip` or `zstd`",
    "user-agent": "tells the program",
    "anthropic-version, anthropic-beta": "handed on to upstreams of Anthropic's dialect",
}
WRITTEN = {
    "x-lodestar-request-id": "for `lodestarctl explain`, and for verdicts",
    "x-lodestar-model": "who answered: `upstream/model`",
    "x-lodestar-cost-usd": "what it cost, to the nano-dollar; of a stream, what was set aside when it began",
    "x-lodestar-cache": "`hit`, `miss` or `bypass`",
    "x-lodestar-attempts": "how many models were asked",
    "x-lodestar-overhead-ms": "what Lodestar itself took until the head went out",
    "x-lodestar-reason": "why this model, in a line",
    "x-lodestar-check": "which check the answer failed, where nobody did better",
    "x-lodestar-dropped": "members of the request that the upstream's dialect can't carry",
    "x-lodestar-feedback": "what became of verdicts: `2 kept, 1 refused`",
}
TOP = """\
# The proxy's port

*Written by `make docs-reference` from the routes and the table of faults; a test fails when it is out of date.*

Every path stands with and without `/v1` before it and a slash behind it. HEAD is taken where GET is; another method
gets 405 with `allow`. What the bodies hold is each dialect's own; [compatibility.md](../compatibility.md) tells how
far each upstream carries it.
"""
FAULTS = """\
A fault before the first byte is a status and a body in the dialect of the path; after it, the dialect's own error
event in the stream. OpenAI's shape is `{"error": {"message", "type", "param", "code"}}` (also for Responses,
completions and embeddings), Anthropic's `{"type": "error", "error": {"type", "message"}, "request_id"}`, Ollama's
`{"error": "message"}`. The statuses are the same in all of them.
"""


def write_page() -> str:
    parts = [TOP, "## Paths\n", _paths(), "## Header fields that are read\n", _fields(READ | READ_OF_OTHERS)]
    parts += ["## Header fields of an answer\n", _fields(WRITTEN), "## Faults\n", FAULTS, _faults()]
    return "\n".join(parts)


def routed() -> Iterator[tuple[str, str, str]]:
    """(method, path, dialect) of every endpoint of a dialect."""
    for path, route in ROUTES.items():
        yield from ((method, path, route.dialect) for method in route.methods)


def _paths() -> str:
    rows = ["| | Path | What | Errors as |", "|---|---|---|---|"]
    for method, path, dialect in routed():
        shown = path if path.startswith("/api/") else f"/v1{path}"
        rows.append(f"| {method} | `{shown.replace('*', '…')}` | {WHAT[f'{method} {path}']} | {_shape(dialect)} |")
    rows += [f"| GET | `{path}` | {OPEN_WHAT[path]}; no key is asked for | OpenAI |" for path in sorted(OPEN)]
    rows.append(f"| GET | `{MetricsSettings().path}` | figures for Prometheus (`[modules.metrics]`) | OpenAI |")
    return "\n".join(rows) + "\n"


def _shape(dialect: str) -> str:
    """Whose shape errors have: asked of the function that writes them."""
    _, _, body = write_error(dialect, CallerFault(Code.NOT_FOUND, ""), "")
    match msgspec.json.decode(body):
        case {"type": "error"}:
            return "Anthropic"
        case {"error": str()}:
            return "Ollama"
    return "OpenAI"


def _fields(told: dict[str, str]) -> str:
    rows = [f"| `{name.replace(', ', '`, `')}` | {what} |" for name, what in told.items()]
    return "\n".join(["| Field | |", "|---|---|", *rows]) + "\n"


def _faults() -> str:
    rows = ["| Code | Status | Type (OpenAI) | Type (Anthropic) | Header fields |", "|---|---|---|---|---|"]
    for code in Code:
        status, headers, body = write_error("openai", Fault(code, ""), "")
        kind = msgspec.json.decode(body)["error"]["type"]
        other = msgspec.json.decode(write_error("anthropic", Fault(code, ""), "")[2])["error"]["type"]
        more = ", ".join(f"`{name}: {value}`" for name, value in headers if name != "content-type")
        rows.append(f"| `{code.value}` | {status} | `{kind}` | `{other}` | {more} |")
    return "\n".join(rows) + "\n"
