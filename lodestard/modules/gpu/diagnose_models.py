"""Models and memory: what of a model is not on the card, and what on the card is no model. Pure."""

from lodestard.domain.residency import HostState, ModelState
from lodestard.domain.telemetry import Finding, Telemetry
from lodestard.modules.gpu.figures import MIB
from lodestard.modules.gpu.thresholds import Thresholds

GIB = 1_024 * MIB
WHOLE = 100
# While a model comes or goes, its memory is in neither list; while the card is lent, it is somebody else's.
STEADY_STEPS = ("idle", "serving", "draining")


def spill_percent(model: ModelState) -> int | None:
    """How much of a model lies outside the card; None where nobody knows."""
    if model.cpu_percent is not None:
        return model.cpu_percent
    if model.size_bytes <= 0:
        return None
    return round(WHOLE * (1 - min(model.vram_bytes, model.size_bytes) / model.size_bytes))


def judge_spill(card: Telemetry, host: HostState, limits: Thresholds) -> Finding | None:
    """The resident model with the largest part on the CPU."""
    resident = [model for model in host.models if model.resident]
    model = max(resident, key=lambda one: spill_percent(one) or 0, default=None)
    percent = 0 if model is None else spill_percent(model) or 0
    if model is None or percent < limits.spill_percent:
        return None
    if percent >= WHOLE:
        return Finding(
            code="model_on_cpu",
            severity="error",
            text=f"{model.model} is on the CPU alone: the card is not used",
            hint="The server's log says why: no driver, a library that does not fit, or num_gpu = 0."
            " Restart it after mending that.",
        )
    context = f"context {model.context_tokens} of {model.model}" if model.context_tokens else model.model
    return Finding(
        code="model_spill",
        severity="warning" if percent >= limits.spill_warning_percent else "info",
        text=f"{percent} % of layers on the CPU: {context}",
        hint=choose_spill_hint(card, host, model, limits),
    )


def choose_spill_hint(card: Telemetry, host: HostState, model: ModelState, limits: Thresholds) -> str:
    """What would bring more of the model onto the card."""
    if judge_foreign_memory(card, host, limits) is not None:
        return "Something else takes memory of the card; without it more of the model would fit."
    if card.memory_used_bytes is not None and card.memory_total_bytes is not None and card.source != "ps":
        free_bytes = card.memory_total_bytes - card.memory_used_bytes
        if free_bytes >= card.memory_total_bytes * limits.spare_percent / WHOLE:
            return f"{free_bytes / GIB:.1f} GiB of the card are free: raise num_gpu, or leave it out of the options."
    if model.context_tokens > limits.long_context_tokens:
        return "Lower num_ctx, or set OLLAMA_FLASH_ATTENTION=1 and OLLAMA_KV_CACHE_TYPE=q8_0 on the server."
    return (
        "A smaller quantisation fits better; OLLAMA_FLASH_ATTENTION=1 with OLLAMA_KV_CACHE_TYPE=q8_0 helps a little."
    )


def judge_foreign_memory(card: Telemetry, host: HostState, limits: Thresholds) -> Finding | None:
    """Memory of the card that is no model's. Known only where card and server are asked separately."""
    if card.source == "ps" or card.memory_used_bytes is None or not host.reachable or host.step not in STEADY_STEPS:
        return None
    ours_bytes = sum(model.vram_bytes for model in host.models if model.resident)
    foreign_bytes = card.memory_used_bytes - ours_bytes
    most_bytes = max(limits.foreign_bytes, (card.memory_total_bytes or 0) * limits.foreign_percent / WHOLE)
    if foreign_bytes <= most_bytes:
        return None
    return Finding(
        code="foreign_memory",
        severity="warning",
        text=f"{foreign_bytes / GIB:.1f} GiB of its memory are no model's of the server",
        hint="nvidia-smi there lists who has them: a desktop, another program, or a runner that was left over.",
    )
