"""How long a key takes in ``models pick`` with 4,500 models: search, frame and bytes. Prints; asserts nothing.

Run: .venv/bin/python -m tests.bench.picker
"""

import random
import sys
import time

from lodestarctl.dashboard.cells import Frame
from lodestarctl.dashboard.keys import Key
from lodestarctl.dashboard.paint import Palette, paint
from lodestarctl.picker.screen import draw
from lodestarctl.picker.state import open_state, step
from lodestard.control.messages.picking import PickRow

COUNT = 4_500
MAKERS = ("openai", "anthropic", "gemini", "xai", "mistral", "deepseek", "qwen", "llama", "together", "openrouter")
SIZES = ("mini", "small", "large", "pro", "flash", "8b", "70b", "instruct", "preview", "2025-11-20")
QUERIES = ("claude-sonnet", "gpt 4o mini", "l70b", "zzzz", "e", "openrouter/llama-70b-instruct")


def make_rows() -> tuple[PickRow, ...]:
    rng = random.Random(7)
    names = [
        f"{rng.choice(MAKERS)}/{rng.choice(MAKERS)}-{rng.randint(1, 9)}.{rng.randint(0, 9)}-{rng.choice(SIZES)}-{at}"
        for at in range(COUNT)
    ]
    return tuple(PickRow(name=name, target=name, input_pico_usd=1_000_000, state="up") for name in names)


def time_keys() -> list[tuple[float, str]]:
    """Every key of every query, typed and taken back: milliseconds, and what was typed by then."""
    timed: list[tuple[float, str]] = []
    for query in QUERIES:
        state, shown = open_state(make_rows()), None
        keys = [*(Key("char", char) for char in query), *[Key("backspace")] * len(query)]
        for key in keys:
            begun = time.perf_counter_ns()
            after = step(state, key)
            if after is None:
                break
            frame: Frame = draw(after)
            paint(shown, frame, Palette(), after.width)
            timed.append(((time.perf_counter_ns() - begun) / 1e6, after.query))
            state, shown = after, frame
    return sorted(timed)


def main() -> None:
    timed = time_keys()
    middle, late = (timed[int(len(timed) * share)][0] for share in (0.5, 0.99))
    worst, query = timed[-1]
    figures = f"median {middle:.1f} ms, p99 {late:.1f} ms, worst {worst:.1f} ms (at {query!r})"
    sys.stdout.write(f"{COUNT} models, {len(timed)} keys: {figures}\n")


if __name__ == "__main__":
    main()
