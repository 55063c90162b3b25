"""``make fuzz``: every target under libFuzzer, one after another or several at once, and a table of what came of it.

Runs in an environment of its own that has atheris. Inputs that a target fails on are left in ``.cache/fuzz``, where
the next run begins with them; nothing of a corpus is committed but the seeds in ``targets.py``.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".cache/fuzz"
MOST_INPUT_BYTES = 4096
SLOW_INPUT_S = 5
MEMORY_MIB = 1024
_STATISTIC = re.compile(r"stat::(\w+):\s+(\d+)")


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run")
    parser.add_argument("names", nargs="*", help="targets; all where none is named")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.inside:
        return fuzz(arguments.inside, arguments.seconds)
    from tests.fuzz.targets import TARGETS

    names = arguments.names or list(TARGETS)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        rows = list(pool.map(lambda name: run(name, arguments.seconds), names))
    write(f"{'target':16}{'inputs':>12}{'a second':>10}{'MiB':>6}  found")
    for name, (status, inputs, rate, memory_mib) in zip(names, rows, strict=True):
        found = f"NO: {FOLDER / name}.log" if status else "nothing"
        write(f"{name:16}{inputs:>12,}{rate:>10,}{memory_mib:>6}  {found}")
    return int(any(status for status, *_ in rows))


def run(name: str, seconds: int) -> tuple[int, int, int, int]:
    """One target in a process of its own: its status, inputs, inputs a second, most memory in MiB."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    log = FOLDER / f"{name}.log"
    command = [sys.executable, "-m", "tests.fuzz.run", "--inside", name, "--seconds", str(seconds)]
    with log.open("w") as output:
        status = subprocess.run(command, stdout=output, stderr=output, check=False).returncode
    told = dict(_STATISTIC.findall(log.read_text(errors="replace")))
    figures = ("number_of_executed_units", "average_exec_per_sec", "peak_rss_mb")
    inputs, rate, memory_mib = (int(told.get(figure, 0)) for figure in figures)
    return status, inputs, rate, memory_mib


def fuzz(name: str, seconds: int) -> int:
    """Under libFuzzer, which ends the process."""
    import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

    with atheris.instrument_imports(include=["lodestard", "tests.fuzz"]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    corpus = FOLDER / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = FOLDER / f"{name}.words"
    words.write_text("".join(f'"{"".join(f"{chr(92)}x{byte:02x}" for byte in word)}"\n' for word in target.words))
    options = {
        "max_total_time": seconds,
        "max_len": MOST_INPUT_BYTES,
        "timeout": SLOW_INPUT_S,
        "rss_limit_mb": MEMORY_MIB,
        "print_final_stats": 1,
        "dict": words,
        "artifact_prefix": f"{corpus}.failed-",
    }
    atheris.Setup(
        [sys.argv[0], *(f"-{option}={value}" for option, value in options.items()), str(corpus)], target.check
    )
    atheris.Fuzz()
    return 0


def write(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
