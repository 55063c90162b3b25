"""The simulated machines: the T600 as ``lodestard/simulator/card/figures.py`` has it, and with its figures wrong.

What a data sheet says stays (4 GB, how models are laid out). What is estimated is scaled, so that every duration
becomes so many times as long: ``swap`` scales spawning, unloading, reading the file and sending it to the card;
``work`` scales prefill (FLOPS) and decode (both memories' bandwidth). ``x0.5`` and ``x1.5`` scale both. What decides
how much batching by model can win is the ratio of the two, so two more machines err in opposite directions.
"""

import msgspec

from lodestard.simulator.card.arithmetic import RunnerOptions, decode_s, load_s, place, prefill_s, unload_s
from lodestard.simulator.card.figures import T600, Machine, Model
from tests.bench.gpu.traffic import DEEPSEEK, LLAMA

NUM_CTX = 4096


def scaled(*, swap: float, work: float) -> Machine:
    """The T600 with durations so many times as long."""
    card = T600.card
    card = msgspec.structs.replace(
        card,
        spawn_s=card.spawn_s * swap,
        unload_s=card.unload_s * swap,
        disk_bytes_per_s=card.disk_bytes_per_s / swap,
        page_cache_bytes_per_s=card.page_cache_bytes_per_s / swap,
        upload_bytes_per_s=card.upload_bytes_per_s / swap,
        flops_per_s=card.flops_per_s / work,
        gpu_bytes_per_s=card.gpu_bytes_per_s / work,
        cpu_bytes_per_s=card.cpu_bytes_per_s / work,
    )
    models = tuple(model for model in T600.models if model.name in (LLAMA, DEEPSEEK))
    return msgspec.structs.replace(T600, card=card, models=models)


MACHINES = {
    "x1": scaled(swap=1.0, work=1.0),
    "x0.5": scaled(swap=0.5, work=0.5),
    "x1.5": scaled(swap=1.5, work=1.5),
    "dear-swaps": scaled(swap=1.5, work=0.5),
    "cheap-swaps": scaled(swap=0.5, work=1.5),
}


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What one model costs on a machine at the pinned context, alone on the card and its file in memory."""

    layers_on_gpu: int
    layers: int
    swap_s: float
    prefill_tokens_per_s: float
    decode_tokens_per_s: float


def costs(machine: Machine, model: Model) -> Costs:
    """Pure: by the simulator's own arithmetic. ``swap_s``: unload the other one, load this one."""
    placement = place(model, RunnerOptions(num_ctx=NUM_CTX), machine.card, machine.card.vram_bytes, 1)
    return Costs(
        layers_on_gpu=placement.layers_on_gpu,
        layers=model.layers + 1,
        swap_s=unload_s(machine) + load_s(model, placement, machine, cached=True),
        prefill_tokens_per_s=1 / prefill_s(model, 1, machine),
        decode_tokens_per_s=1 / decode_s(placement, machine),
    )


def floor_s(machine: Machine, model: str) -> float:
    """The least that a swap to ``model`` takes."""
    return next(costs(machine, each).swap_s for each in machine.models if each.name == model)
