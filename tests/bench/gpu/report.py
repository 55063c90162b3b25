"""The tables: the machines' figures in the open, what each mode did, and ratios to the fixed baseline. Pure."""

import statistics
from collections.abc import Iterator, Sequence

from tests.bench.gpu.baseline import Key, Runs
from tests.bench.gpu.figures import Figures
from tests.bench.gpu.machines import MACHINES, NUM_CTX, costs

COLUMNS = (
    ("answered_per_h", "answered/h"),
    ("swaps_per_100", "swaps per 100 answered"),
    ("aborted_loads", "aborted loads"),
    ("lost_s_per_request", "lost to swaps, s/request"),
    ("interactive_start_p50_s", "interactive: start p50 s"),
    ("interactive_start_p95_s", "start p95 s"),
    ("interactive_first_p95_s", "first token p95 s"),
    ("job_start_p95_s", "job: start p95 s"),
    ("switch_p50_s", "switch p50 s"),
    ("switch_p50_of_floor", "of its floor"),
    ("gave_up", "gave up"),
    ("read_share", "prompt tokens read"),
    ("swapping_share", "card swapping"),
    ("reading_share", "reading"),
    ("writing_share", "writing"),
)
RATIOS = ("swaps_per_100", "lost_s_per_request", "interactive_start_p95_s", "aider_start_p95_s", "answered_per_h")


def write_report(runs: Runs, baseline: Runs) -> Iterator[str]:
    """Markdown, line by line."""
    yield from _machines()
    yield f"Medians over seeds {', '.join(map(str, sorted({key.seed for key in runs})))}; least and most behind them."
    yield ""
    yield f"| workload | machine | mode | {' | '.join(title for _, title in COLUMNS)} |"
    yield f"|{'---|' * (3 + len(COLUMNS))}"
    for row, keys in _rows(runs):
        shown = (_spread([_value(runs[key], name) for key in keys]) for name, _ in COLUMNS)
        yield f"| {row} | {' | '.join(shown)} |"
    yield ""
    yield from _ratios(runs, baseline)


def _rows(runs: Runs) -> Iterator[tuple[str, list[Key]]]:
    """Workload, machine and mode, with the runs of all seeds."""
    rows: dict[str, list[Key]] = {}
    for key in runs:
        rows.setdefault(f"{key.workload} | {key.machine} | {key.mode}", []).append(key)
    yield from rows.items()


def _machines() -> Iterator[str]:
    yield f"Simulated machines, at num_ctx {NUM_CTX}, files in the page cache:"
    yield ""
    yield "| machine | model | layers on the card | swap s | prefill tokens/s | decode tokens/s |"
    yield "|---|---|---|---|---|---|"
    for name, machine in MACHINES.items():
        for model in machine.models:
            one = costs(machine, model)
            yield (
                f"| {name} | {model.name} | {one.layers_on_gpu} of {one.layers} | {one.swap_s:.2f} "
                f"| {one.prefill_tokens_per_s:.0f} | {one.decode_tokens_per_s:.1f} |"
            )
    yield ""


def _ratios(runs: Runs, baseline: Runs) -> Iterator[str]:
    """Each mode beside the committed figures of ``fifo``; nothing where there are none."""
    yield "Each run beside the committed baseline (fifo) of the same seed, medians of the ratios:"
    yield ""
    yield f"| workload | machine | mode | {' | '.join(RATIOS)} |"
    yield f"|{'---|' * (3 + len(RATIOS))}"
    for row, keys in _rows(runs):
        pairs = [(runs[key], baseline[fifo]) for key in keys if (fifo := key._replace(mode="fifo")) in baseline]
        if pairs:
            yield f"| {row} | {' | '.join(_ratio(pairs, name) for name in RATIOS)} |"
    yield ""


def _ratio(pairs: Sequence[tuple[Figures, Figures]], name: str) -> str:
    found = [now[name] / then[name] for now, then in pairs if name in now and then.get(name)]
    return f"{statistics.median(found):.2f}" if found else ""


def _value(figures: Figures, name: str) -> float | None:
    if name == "read_share":
        return figures["read_tokens"] / max(1, figures["prompt_tokens"])
    return figures.get(name)


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    middle = f"{statistics.median(known):.3g}"
    return middle if min(known) == max(known) else f"{middle} ({min(known):.3g} to {max(known):.3g})"
