"""What models there are, in Ollama's words: tags, ps, show and version; and what is asked of ``/api/show``.

Law: a client of Ollama must be able to list and choose every model, a paid one too. What nobody knows is nought or
empty. What a model can do is taken from its name, for the list must not wait for any server; a wrong guess hides or
shows a button, nothing else: whoever answers says what it can't do.
Source: Ollama's API documentation, "List models", "List running models", "Show model details", and ``api/types.go``.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.protocols.json_text import read_members, shape_fault
from lodestard.protocols.rfc3339 import write_ms

SPOKEN_VERSION = "0.33.0"
"""The server whose API this is: clients refuse older ones, or hide what those can't do."""

FOR_EVER_MS = 9_214_646_400_000  # 2262: the last whole year that Go's durations reach from now
_FAMILY = re.compile(r"[a-z]+(?:-[a-z]+)*")
_SIZE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?(?:x\d+)?)([bm])\b", re.IGNORECASE)
_QUANTIZATION = re.compile(r"\b(?:i?q\d\w*|fp?16|bf16|fp8|mxfp4)\b", re.IGNORECASE)

_EMBEDS = re.compile(r"embed|minilm|\bbge|arctic-embed|\be5\b|\bgte\b", re.IGNORECASE)
_SEES = re.compile(r"llava|vision|moondream|\bvl\b|vl:|gemma3|minicpm-v|llama4|pixtral|mistral-small3", re.IGNORECASE)
_CALLS = re.compile(
    r"llama-?(?:3\.[1-9]|4)|qwen|mi[sx]tral|nemo|command-r|hermes|granite|gpt-oss|devstral|magistral|phi4-mini|smollm2"
    r"|firefunction|cogito|glm|kimi|deepseek-(?:r1|v3)",
    re.IGNORECASE,
)
_THINKS = re.compile(r"qwen3|deepseek-r1|gpt-oss|magistral|qwq|cogito|glm-4|kimi|thinking", re.IGNORECASE)
_FILLS = re.compile(r"coder|codellama|code-?gemma|starcoder|codestral|stable-code|granite-code", re.IGNORECASE)
_TEMPLATE = "{{ .Prompt }}"
_FILLING_TEMPLATE = "{{ if .Suffix }}{{ .Prompt }}{{ .Suffix }}{{ else }}{{ .Prompt }}{{ end }}"


class ListedModel(msgspec.Struct, frozen=True, kw_only=True):
    """An alias as a client sees it. ``model`` is what stands behind it, ``local`` whether on an Ollama server.

    ``resident``: it is in memory. ``context_tokens`` 0: nobody knows. ``expires_ms`` None: it stays, or nobody knows.
    """

    name: str
    model: str
    local: bool = False
    resident: bool = False
    context_tokens: int = 0
    size_bytes: int = 0
    vram_bytes: int = 0
    expires_ms: int | None = None


class _Shown(msgspec.Struct, frozen=True):
    model: str | None = None
    name: str | None = None


_shown = msgspec.json.Decoder(_Shown)


def write_tags(models: Iterable[ListedModel], since_s: int) -> bytes:
    """``GET /api/tags``. ``since_s``: since when they are as they are, unix seconds."""
    return msgspec.json.encode({"models": [_tag(model, since_s) for model in models]})


def write_loaded(models: Iterable[ListedModel]) -> bytes:
    """``GET /api/ps``: those that are in memory."""
    return msgspec.json.encode({"models": [_loaded(model) for model in models]})


def write_version() -> bytes:
    """``GET /api/version``."""
    return msgspec.json.encode({"version": SPOKEN_VERSION})


def write_details(model: ListedModel, since_s: int) -> bytes:
    """``POST /api/show``."""
    family, fills = _family(model), "insert" in find_capabilities(model)
    info: dict[str, Any] = {"general.architecture": family, "general.basename": model.name}
    if model.context_tokens:
        info[f"{family}.context_length"] = model.context_tokens
    return msgspec.json.encode(
        {
            "modelfile": f"# {model.name} is an alias of Lodestar\nFROM {model.model}\n",
            "parameters": f"num_ctx                        {model.context_tokens}" if model.context_tokens else "",
            "template": _FILLING_TEMPLATE if fills else _TEMPLATE,
            "details": _details(model),
            "model_info": info,
            "capabilities": find_capabilities(model),
            "modified_at": write_ms(since_s * 1000),
        }
    )


def read_shown(body: bytes, *, depth: int) -> str:
    """Which model ``/api/show`` is asked about; older clients say ``name``. Raises ``CallerFault``."""
    read_members(body, depth=depth)
    try:
        asked = _shown.decode(body)
    except msgspec.ValidationError as error:
        raise shape_fault(error) from None
    if name := asked.model or asked.name:
        return name
    raise CallerFault(Code.INVALID_REQUEST, "Missing required parameter: 'model'.", param="model")


def find_capabilities(model: ListedModel) -> list[str]:
    """What it can do, in Ollama's words."""
    name = model.model
    if _EMBEDS.search(name):
        return ["embedding"]
    found = ["completion"]
    if not model.local or _CALLS.search(name):
        found.append("tools")
    if not model.local or _SEES.search(name):
        found.append("vision")
    if model.local and _FILLS.search(name):
        found.append("insert")
    if model.local and _THINKS.search(name):
        found.append("thinking")
    return found


def _tag(model: ListedModel, since_s: int) -> dict[str, Any]:
    return {
        "name": model.name,
        "model": model.name,
        "modified_at": write_ms(since_s * 1000),
        "size": model.size_bytes,
        "digest": _digest(model),
        "details": _details(model),
        "capabilities": find_capabilities(model),
    }


def _loaded(model: ListedModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "model": model.name,
        "size": model.size_bytes,
        "digest": _digest(model),
        "details": _details(model),
        "expires_at": write_ms(FOR_EVER_MS if model.expires_ms is None else model.expires_ms),
        "size_vram": model.vram_bytes,
        "context_length": model.context_tokens,
    }


def _digest(model: ListedModel) -> str:
    """Clients print its beginning and tell models by it: as long as one, the same as long as the model is."""
    return hashlib.sha256(f"{model.name}\n{model.model}".encode("utf-8", "surrogatepass")).hexdigest()


def _details(model: ListedModel) -> dict[str, Any]:
    """What the name says of it: ``llama3.1:8b-instruct-q4_K_M`` is of the family llama, 8B, Q4_K_M."""
    family, size, quantization = _family(model), _SIZE.search(model.model), _QUANTIZATION.search(model.model)
    return {
        "parent_model": "",
        "format": "gguf" if model.local else "",
        "family": family,
        "families": [family],
        "parameter_size": f"{size[1]}{size[2].upper()}" if size else "",
        "quantization_level": quantization[0].upper() if quantization and model.local else "",
    }


def _family(model: ListedModel) -> str:
    found = _FAMILY.match(model.model.rpartition("/")[2].lower())
    return found[0] if found else "model"
