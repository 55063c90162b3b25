"""The baseline: what every mode without a planner did, run by run, before there was one. Compared with ever after.

Law: figures of a run are a function of its key. Whoever changes the traffic, the machines or the simulator so that
they change writes a new baseline and says why.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.bench.gpu.figures import Figures

FILE = Path(__file__).with_name("baseline.json")


class Key(NamedTuple):
    """Which run."""

    mode: str
    workload: str
    machine: str
    seed: int

    def __str__(self) -> str:
        return f"{self.mode} {self.workload} {self.machine} {self.seed}"


Runs = Mapping[Key, Figures]
_ABOUT = (
    "By mode, workload, machine and seed; see house.py for the modes. fifo is the baseline: through lodestard with "
    "residency off. Written by python -m tests.bench.gpu --write-baseline"
)


def write_baseline(runs: Runs, file: Path = FILE) -> None:
    """One line for each run; what was kept of other runs stays as it is, to the letter."""
    kept = msgspec.json.decode(file.read_bytes(), type=dict[str, msgspec.Raw]) if file.exists() else {}
    kept.pop("about", None)
    rows = {_parse(name): bytes(row) for name, row in kept.items()}
    rows |= {key: msgspec.json.encode(figures) for key, figures in runs.items()}
    lines = [f'  "{key}": {rows[key].decode()}' for key in sorted(rows)]
    about = msgspec.json.encode(_ABOUT).decode()
    file.write_text(f'{{\n  "about": {about},\n' + ",\n".join(lines) + "\n}\n")


def read_baseline(file: Path = FILE) -> dict[Key, Figures]:
    """Raises ``FileNotFoundError``."""
    rows = msgspec.json.decode(file.read_bytes(), type=dict[str, Figures | str])
    return {_parse(name): figures for name, figures in rows.items() if isinstance(figures, dict)}


def differences(fresh: Figures, kept: Figures) -> list[str]:
    """Where a run came out otherwise than the baseline has it."""
    names = sorted({*fresh, *kept})
    return [f"{name} {kept.get(name)} -> {fresh.get(name)}" for name in names if fresh.get(name) != kept.get(name)]


def _parse(name: str) -> Key:
    mode, workload, machine, seed = name.split(" ")
    return Key(mode, workload, machine, int(seed))
