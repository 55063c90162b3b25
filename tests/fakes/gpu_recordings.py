"""Hosts as residency would describe them, and recorded output of the tools that read a card."""

from pathlib import Path

from lodestard.domain.residency import HostState, ModelState, Step

RECORDINGS = Path(__file__).parents[1] / "modules/gpu_recordings"
MIB = 1_048_576


def recorded(name: str) -> str:
    return (RECORDINGS / name).read_text()


def a_model(
    *, cpu_percent: int | None = 0, vram_mib: int = 3_412, context_tokens: int = 4_096, resident: bool = True
) -> ModelState:
    return ModelState(
        model="deepseek-coder:6.7b",
        resident=resident,
        context_tokens=context_tokens,
        size_bytes=5_250 * MIB if cpu_percent else vram_mib * MIB,
        vram_bytes=vram_mib * MIB,
        cpu_percent=cpu_percent,
    )


def a_host(*models: ModelState, step: Step = "serving", reachable: bool | None = True) -> HostState:
    return HostState(host="t600", step=step, reachable=reachable, models=models)


WHOLE = a_host(a_model())
EMPTY = a_host(step="idle")
