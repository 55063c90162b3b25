"""Arithmetic of the card: what fits, how much of it, and how long loading, reading and writing take.

Law: pure. Sources: llama.cpp's layout (layers plus one output layer, f16 KV), Ollama's 80 % rule.
"""

import msgspec

from lodestard.simulator.card.figures import GIB, Card, Machine, Model

_EVICT_ABOVE = 0.8


class RunnerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options that a runner is started with: any difference makes Ollama load the model again.

    ``num_ctx`` is effective (default filled in, clamped to the trained length); ``num_gpu`` below 0 is None.
    """

    num_ctx: int
    num_batch: int = 512
    num_gpu: int | None = None
    main_gpu: int = 0
    use_mmap: bool | None = None
    num_thread: int = 0
    draft_num_predict: int = 0
    shift: bool = True


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """How a model lies: ``size`` in all and ``size_vram`` on the card (bytes), as ``/api/ps`` reports them."""

    layers_on_gpu: int
    size: int
    size_vram: int
    weights_on_gpu: int
    weights_on_cpu: int


def needs_reload(loaded: RunnerOptions, asked: RunnerOptions) -> bool:
    """Whether a request with ``asked`` can't use a runner started with ``loaded``."""
    if asked.num_gpu is None:
        asked = msgspec.structs.replace(asked, num_gpu=loaded.num_gpu)
    return loaded != asked


def place(model: Model, options: RunnerOptions, card: Card, free_bytes: int, parallel: int) -> Placement:
    """As many layers on the card as fit into ``free_bytes`` after the reserve, or as ``num_gpu`` demands."""
    whole_layers = model.layers + 1
    kv_bytes = model.kv_bytes_per_token * options.num_ctx * parallel
    per_layer = model.file_bytes // whole_layers + kv_bytes // model.layers
    room = max(0, free_bytes - card.reserve_bytes - card.overhead_bytes)
    fitting = min(whole_layers, room // per_layer)
    layers = (
        fitting if options.num_gpu is None else min(whole_layers, options.num_gpu, _hard_limit(per_layer, free_bytes))
    )
    on_gpu = layers * model.file_bytes // whole_layers
    vram = min(layers * per_layer, model.file_bytes + kv_bytes) + (card.overhead_bytes if layers else 0)
    size = model.file_bytes + kv_bytes + card.overhead_bytes
    return Placement(
        layers_on_gpu=layers,
        size=max(size, vram),
        size_vram=vram,
        weights_on_gpu=on_gpu,
        weights_on_cpu=model.file_bytes - on_gpu,
    )


def _hard_limit(per_layer: int, free_bytes: int) -> int:
    return max(0, free_bytes) // per_layer


def must_evict(model: Model, options: RunnerOptions, free_bytes: int, parallel: int) -> bool:
    """Ollama's preflight with other models loaded: evict above 80 % of free VRAM; a partial ``num_gpu`` skips it."""
    if options.num_gpu is not None and 0 < options.num_gpu < model.layers + 1:
        return False
    need = model.file_bytes + model.kv_bytes_per_token * options.num_ctx * parallel
    return need > _EVICT_ABOVE * free_bytes


def lacks_memory(model: Model, options: RunnerOptions, placement: Placement, card: Card) -> str:
    """Why it can't be loaded so, as Ollama says it; empty where it can.

    A ``num_gpu`` that was asked for is not reduced: the card refuses it. The rest must lie in the host's memory.
    """
    asked = 0 if options.num_gpu is None else min(model.layers + 1, options.num_gpu)
    if asked > placement.layers_on_gpu:
        return "llama-server process has terminated: exit status 1: cudaMalloc failed: out of memory"
    need = placement.size - placement.size_vram
    if need > card.ram_bytes:
        return f"model requires more system memory ({_gib(need)}) than is available ({_gib(card.ram_bytes)})"
    return ""


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"


def load_s(model: Model, placement: Placement, machine: Machine, *, cached: bool) -> float:
    """Seconds from the spawn to the first healthy poll; ``cached``: the file is in the page cache."""
    pace, card = machine.pace, machine.card
    if pace.load_s is not None:
        return pace.load_s * pace.scale
    source = card.page_cache_bytes_per_s if cached else card.disk_bytes_per_s
    reading = model.file_bytes / source
    upload = placement.weights_on_gpu / card.upload_bytes_per_s
    return (card.spawn_s + max(reading, upload)) * pace.scale


def unload_s(machine: Machine) -> float:
    fixed = machine.pace.unload_s
    return (machine.card.unload_s if fixed is None else fixed) * machine.pace.scale


def prefill_s(model: Model, tokens: int, machine: Machine) -> float:
    """Seconds to read ``tokens`` that the KV cache does not hold: two operations a parameter and token."""
    rate = machine.pace.prefill_tokens_per_s
    each = 2 * model.parameters / machine.card.flops_per_s if rate is None else 1 / rate
    return tokens * each * machine.pace.scale


def decode_s(placement: Placement, machine: Machine) -> float:
    """Seconds a written token: every weight is read once, on its own side of the bus."""
    rate = machine.pace.decode_tokens_per_s
    if rate is not None:
        return machine.pace.scale / rate
    card = machine.card
    on_gpu = placement.weights_on_gpu / card.gpu_bytes_per_s
    return (on_gpu + placement.weights_on_cpu / card.cpu_bytes_per_s) * machine.pace.scale
