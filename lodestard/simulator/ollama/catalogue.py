"""What an Ollama server says about its models: tags, ps, show, and how far a pull is.

Law: pure; wall times and loaded runners are handed in.
"""

import math

from lodestard.simulator.answering.question import Json
from lodestard.simulator.card.figures import Model
from lodestard.simulator.card.scheduler import Runner
from lodestard.simulator.walltime import rfc3339_nano

_NS = 1_000_000_000
_FOREVER_S = 292 * 365.25 * 86400
_TEMPLATE = "{{- if .System }}{{ .System }}\n{{ end }}### Instruction:\n{{ .Prompt }}\n### Response:\n"


def details(model: Model) -> dict[str, Json]:
    return {
        "parent_model": "",
        "format": "gguf",
        "family": model.family,
        "families": [model.family],
        "parameter_size": model.parameter_size,
        "quantization_level": model.quantization,
    }


def tag(model: Model, modified_ns: int) -> dict[str, Json]:
    return {
        "name": model.name,
        "model": model.name,
        "modified_at": rfc3339_nano(modified_ns),
        "size": model.file_bytes,
        "digest": model.digest,
        "details": details(model),
        "capabilities": list(model.capabilities),
    }


def loaded(runner: Runner, wall_ns: int, left_s: float, *, tells_context: bool) -> dict[str, Json]:
    """One entry of ``/api/ps``. For ever is 292 years, the longest that Go's durations know."""
    left_s = _FOREVER_S if math.isinf(left_s) else left_s
    entry: dict[str, Json] = {
        "name": runner.model.name,
        "model": runner.model.name,
        "size": runner.placement.size,
        "digest": runner.model.digest,
        "details": details(runner.model),
        "expires_at": rfc3339_nano(wall_ns + round(left_s * _NS)),
        "size_vram": runner.placement.size_vram,
    }
    return {**entry, "context_length": runner.options.num_ctx} if tells_context else entry


def show(model: Model, modified_ns: int) -> dict[str, Json]:
    family = model.family
    return {
        "license": "Simulated model: no weights, no licence.",
        "modelfile": f"FROM {model.name}\nTEMPLATE {_TEMPLATE!r}\n",
        "parameters": 'stop                           "### Instruction:"',
        "template": _TEMPLATE,
        "details": details(model),
        "model_info": {
            "general.architecture": family,
            "general.parameter_count": model.parameters,
            f"{family}.block_count": model.layers,
            f"{family}.attention.head_count": model.heads,
            f"{family}.attention.head_count_kv": model.kv_heads,
            f"{family}.attention.key_length": model.head_dim,
            f"{family}.attention.value_length": model.head_dim,
            f"{family}.embedding_length": model.embedding_length,
            f"{family}.context_length": model.context_tokens,
        },
        "capabilities": list(model.capabilities),
        "modified_at": rfc3339_nano(modified_ns),
    }


def pull_line(model: Model, completed: int) -> dict[str, Json]:
    """How far its one layer has come; nought is left out, as Go does."""
    digest = model.digest
    line = {"status": f"pulling {digest[:12]}", "digest": f"sha256:{digest}", "total": model.file_bytes}
    return {**line, "completed": completed} if completed else line
