"""Every screen, word for word, at 80 x 24 and 160 x 50.

The expected frames are files in ``golden/``; ``LODESTAR_GOLDEN=write`` writes them anew, to be read before they are
committed.
"""

import os
from pathlib import Path

import msgspec
import pytest

from lodestarctl.dashboard.keys import Key
from lodestarctl.dashboard.paint import Palette, plain_line
from lodestarctl.dashboard.screens import draw, draw_once
from lodestarctl.dashboard.state import ExplanationCame, LinkChanged, Resized, State, step
from lodestarctl.dashboard.words import bar, last_used, money, percent, saving, spark, tokens
from lodestarctl.table import SCREENS
from lodestard.control.messages.dashboard import LiveItem
from lodestard.control.messages.gpu import GpuHost
from tests.fakes import control_samples as samples
from tests.fakes import gpu_samples
from tests.fakes.live_samples import EMPTY, HOSTILE, NASTY, NOON_MS, SNAPSHOT

GOLDEN = Path(__file__).parent / "golden"
SIZES = {"80x24": (80, 24), "160x50": (160, 50), "60x15": (60, 15)}
PALETTE = Palette()


def at(size: tuple[int, int], *keys: str, item: LiveItem = SNAPSHOT) -> State:
    state = step(step(State(), Resized(*size)), item)
    for key in keys:
        state = step(state, Key(key) if len(key) > 1 else Key("char", key))
    return state


def card(*cards: GpuHost) -> LiveItem:
    return msgspec.structs.replace(SNAPSHOT, cards=cards)


def explained(size: tuple[int, int]) -> State:
    return step(at(size, "6", "end", "enter"), ExplanationCame(samples.REQUEST.request_id, samples.EXPLANATION))


STATES = {
    f"{screen}-{name}": at(size, str(number))
    for name, size in SIZES.items()
    for number, screen in enumerate(SCREENS, 1)
}
STATES |= {f"explain-{name}": explained(size) for name, size in SIZES.items()}
STATES |= {
    "help-80x24": at((80, 24), "?"),
    "models-month-80x24": at((80, 24), "2", "t", "s", "s"),
    "sessions-scrolled-80x24": at((80, 24), "4", "t", "end", "up"),
    "filter-80x24": at((80, 24), "3", "/", "l", "o"),
    "filter-none-80x24": at((80, 24), "3", "/", "x", "x", "enter"),
    "overview-empty-80x24": at((80, 24), item=EMPTY),
    "models-empty-80x24": at((80, 24), "2", item=EMPTY),
    "requests-empty-80x24": at((80, 24), "6", item=EMPTY),
    "lost-80x24": step(at((80, 24)), LinkChanged("lost", "lost lodestard: trying again")),
    "paused-80x24": at((80, 24), "p"),
    "hostile-models-80x24": at((80, 24), "2", item=NASTY),
    "hostile-requests-160x50": at((160, 50), "6", item=NASTY),
    "hostile-overview-80x24": at((80, 24), item=NASTY),
    "too-small": at((40, 10)),
    "gpu-busy-80x24": at((80, 24), "7", item=card(gpu_samples.BUSY)),
    "gpu-idle-80x24": at((80, 24), "7", item=card(gpu_samples.QUIET)),
    "gpu-two-120x40": at((120, 40), "7", item=card(gpu_samples.LOADS, gpu_samples.GONE)),
    "gpu-lent-80x24": at((80, 24), "7", item=card(gpu_samples.AWAY, gpu_samples.FRESH)),
    "gpu-none-80x24": at((80, 24), "7", item=EMPTY),
    "gpu-hostile-80x24": at((80, 24), "7", item=NASTY),
    "waiting-80x24": step(State(), Resized(80, 24)),
}


def text_of(state: State) -> str:
    return "".join(f"{plain_line(each, PALETTE)}\n" for each in draw(state))


@pytest.mark.usefixtures("utc")
@pytest.mark.parametrize("name", STATES)
def test_a_screen_word_for_word(name: str) -> None:
    golden = GOLDEN / f"{name}.txt"
    text = text_of(STATES[name])
    if os.environ.get("LODESTAR_GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


def test_every_golden_file_is_a_screens() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(STATES)


@pytest.mark.usefixtures("utc")
def test_once_is_as_long_as_it_is_and_says_everything() -> None:
    text = "\n".join(plain_line(each, PALETTE) for each in draw_once(at((80, 24), "4")))
    assert "s000" in text
    assert "s059" in text
    assert "quit" not in text


def test_no_control_character_of_a_label_comes_through() -> None:
    for number in range(1, 8):
        text = text_of(at((160, 50), str(number), item=NASTY))
        assert text.replace("\n", "").isprintable()
    assert not HOSTILE[0].isprintable()


@pytest.mark.parametrize(
    ("amount", "cost", "saved"),
    [
        (0, "$0.0000", "$0.0000"),
        (1, "$0.0001", "$0.0000"),
        (100_000, "$0.0001", "$0.0001"),
        (123_456_789_012, "$123.4568", "$123.4567"),
        (-1, "-$0.0001", "-$0.0001"),
        (None, "-", "-"),
    ],
)
def test_costs_are_rounded_up_and_savings_down(amount: int | None, cost: str, saved: str) -> None:
    assert (money(amount), saving(amount)) == (cost, saved)


def test_words() -> None:
    assert (tokens(None, None), tokens(12_345, 9)) == ("-", "12.3 k+9")
    assert (percent(1, 0), percent(0, 10), percent(1, 1_000), percent(11, 10)) == ("-", "0 %", "1 %", "110 %")
    assert (bar(0, 10, 4), bar(1, 1_000, 4), bar(999, 1_000, 4), bar(2_000, 1_000, 4)) == (
        "░░░░",
        "█░░░",
        "███░",
        "████",
    )
    assert (spark([]), spark([0, 0]), spark([0, 1, 80, 40])) == ("", "  ", " ▁█▄")


@pytest.mark.usefixtures("utc")
def test_last_used_is_a_time_of_today_or_a_date() -> None:
    assert last_used(None, NOON_MS) == "-"
    assert last_used(NOON_MS - 1_000, NOON_MS) == "11:59:59"
    assert last_used(NOON_MS - 90_000_000, NOON_MS) == "2025-11-20"
