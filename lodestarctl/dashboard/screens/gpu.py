"""The screen of the cards: who is on them, who waits, what they say of themselves. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from lodestarctl.dashboard.cells import EMPTY, Line, Span, beside, cut_line, left, line, right, spread
from lodestarctl.dashboard.live import Live
from lodestarctl.dashboard.words import bar
from lodestarctl.render.gpu_progress import load_bar
from lodestarctl.render.gpu_words import (
    STEP_TONES,
    counted,
    host_line,
    kept_of,
    memory,
    say_left,
    say_loads,
    say_step,
    state_of,
    who_of,
)
from lodestarctl.render.waits import brief, seconds
from lodestarctl.render.words import UNKNOWN, count, moment, span
from lodestard.control.messages.gpu import GpuHost, GpuModel, GpuPlace, GpuReading, GpuSwap

MARGIN = " "
WIDE, COMFORTABLE = 100, 80
LOAD_BAR, GAUGE = 30, 12
SWAPS_MOST = 4
MARKS = {"error": ("✗", "bad"), "warning": ("!", "warn"), "info": ("·", "dim")}
NOBODY = ("Nobody looks after a card:", "no Ollama server is configured, or [residency] is off.")


class Fitting(NamedTuple):
    """How closely it is set: the lines of a queue, its title included, and whether there are empty lines."""

    queue: int
    roomy: bool


FITTINGS = (Fitting(1_000, roomy=True), Fitting(12, roomy=True), Fitting(9, roomy=False), Fitting(4, roomy=False))


def gpu(live: Live, width: int, height: int) -> list[Line]:
    """Each host with its card. Where it is more than ``height``, queues are cut short and it is set closer."""
    cards = live.last.cards
    if not cards:
        return [EMPTY, *(line(Span(f" {text}", "dim")) for text in NOBODY)]
    lines: list[Line] = []
    for fitting in FITTINGS:
        lines = _hosts(cards, live.last.at_ms, width, fitting)
        if len(lines) <= height:
            break
    return lines


def card_lines(cards: Sequence[GpuHost]) -> Iterator[Line]:
    """A line for each host, for the overview."""
    for card in cards:
        role = STEP_TONES.get(card.step, "")
        yield line(MARGIN, Span("Card ", "title"), Span(f"{card.host}  ", "strong"), Span(host_line(card), role))


def _hosts(cards: Sequence[GpuHost], now_ms: int, width: int, fitting: "Fitting") -> list[Line]:
    """One under the other, an empty line between them in any case."""
    lines: list[Line] = []
    for card in cards:
        gap = [EMPTY] if fitting.roomy else []
        lines += [EMPTY] if lines else []
        for at, block in enumerate(_blocks(card, now_ms, width, fitting.queue)):
            lines += [*(gap if at else []), *block]
    return lines


def _blocks(card: GpuHost, now_ms: int, width: int, queue: int) -> Iterator[list[Line]]:
    yield list(_head(card, width))
    if models := list(_models(card, now_ms, width)):
        yield models
    yield list(_queue(card, queue, width))
    signs = beside(list(_signs(card.reading)), list(_swaps(card.swaps, width // 2)), width // 2)
    yield [*signs, *_findings(card.reading, width), *_counts(card)]


# -- what it is at ---------------------------------------------------------------------------------------------------


def _head(card: GpuHost, width: int) -> Iterator[Line]:
    role = STEP_TONES.get(card.step, "")
    version = line(Span(f"Ollama {card.version} " if card.version else "", "dim"))
    yield spread(line(MARGIN, Span(card.host, "title"), Span(f"  ● {say_step(card)}", role)), version, width)
    if card.problem:
        yield line(MARGIN, Span(f"! {card.problem}", "bad" if card.reachable is False else "warn"))
    if card.step == "loading" and card.step_left_s is not None:
        drawn = load_bar(card.step_for_s, card.step_left_s, LOAD_BAR)
        yield line(MARGIN, Span(drawn, "chart"), f"  {say_left(card)}", Span(_because(card), "dim"))
        return
    since = "" if card.reachable is None else f"for {seconds(card.step_for_s)}"
    yield line(MARGIN, since, Span(_because(card), "dim"))


def _because(card: GpuHost) -> str:
    return f"  {card.reason}" if card.reason else ""


# -- models ----------------------------------------------------------------------------------------------------------


class Column(NamedTuple):
    """``at_least`` is the width of the terminal from which on there is room for it."""

    title: str
    width: int
    say: Callable[[GpuModel, GpuHost, int], str]
    at_least: int = 0


def _cpu(model: GpuModel, _card: GpuHost, _now_ms: int) -> str:
    return UNKNOWN if model.cpu_percent is None else f"{model.cpu_percent} %"


def _wait(model: GpuModel, _card: GpuHost, _now_ms: int) -> str:
    return UNKNOWN if model.wait is None else seconds(model.wait.likely_s)


COLUMNS = (
    Column("kept", 9, lambda model, _card, now_ms: kept_of(model, now_ms).partition(",")[0], 66),
    Column("context", 7, lambda model, _card, _now: count(model.context_tokens or None), 90),
    Column("on CPU", 6, _cpu, 76),
    Column("runs", 4, lambda model, _card, _now: count(model.running)),
    Column("waits", 5, lambda model, _card, _now: count(model.waiting)),
    Column("asked now", 9, _wait),
)
STATE = 10


def _models(card: GpuHost, now_ms: int, width: int) -> Iterator[Line]:
    """Every model; the last column is how long a request that came now would wait for its first token."""
    if not card.models:
        return
    chosen = [column for column in COLUMNS if width >= column.at_least]
    name = width - 2 - STATE - sum(column.width + 2 for column in chosen)
    titles = [_flush(column)(column.title, column.width) for column in chosen]
    yield line(MARGIN, Span("  ".join([left("model", name - 1), left("state", STATE - 1), *titles]), "dim"))
    for model in card.models:
        state, role = state_of(model, card)
        said = [_flush(column)(column.say(model, card, now_ms), column.width) for column in chosen]
        yield line(
            MARGIN, Span(left(model.model, name - 1), "strong"), "  ", Span(left(state, STATE - 1), role), "  "
        ) + line("  ".join(said))


def _flush(column: Column) -> Callable[[str, int], str]:
    return left if column.title == "kept" else right


# -- the queue -------------------------------------------------------------------------------------------------------


def _queue(card: GpuHost, room: int, width: int) -> Iterator[Line]:
    """The next to begin, as many as there is room for below the title."""
    running, waiting = counted(card)
    if not card.places:
        yield line(MARGIN, Span("Queue", "title"), Span("  nobody is on the card, and nobody waits", "dim"))
        return
    yield line(MARGIN, Span("Queue", "title"), Span(f"  {running} running, {waiting} waiting", "dim"))
    shown = card.places if len(card.places) < room else card.places[: room - 2]
    for place in shown:
        yield cut_line(_place(place, width), width)
    if more := len(card.places) - len(shown):
        yield line(MARGIN, Span(f"and {more} more: lodestarctl gpu queue", "dim"))


def _place(place: GpuPlace, width: int) -> Line:
    runs = place.state == "running"
    expected = ""
    if place.expected_s is not None:
        expected = f"{brief(place.expected_s)} left" if runs else f"in {brief(place.expected_s)}"
    rank = Span(f"  {left(place.rank, 11)}", "dim" if place.rank == "interactive" else "")
    middle = (rank,) if width >= COMFORTABLE else ()
    lasted = f" {right(brief(place.for_s), 7)}" if width >= COMFORTABLE else ""
    who = width - 43 - (21 if width >= COMFORTABLE else 0)
    return line(
        MARGIN,
        Span(left(place.state, 8), "good" if runs else "warn"),
        Span(left(place.model, 20), "strong"),
        *middle,
        f"  {left(who_of(place), who)}{lasted}",
        f"  {right(expected, 10)}",
    )


# -- the card --------------------------------------------------------------------------------------------------------


def _signs(reading: GpuReading | None) -> Iterator[Line]:
    if reading is None:
        yield line(MARGIN, Span("Card", "title"), Span("  not read: [modules.gpu]", "dim"))
        return
    old = f"  {span(reading.age_s)} old" if reading.state == "stale" and reading.age_s is not None else ""
    yield line(MARGIN, Span("Card", "title"), f"  {reading.card}", Span(old, "warn"))
    if reading.state == "unknown":
        yield line(MARGIN, Span(f"unknown: {reading.problem}" if reading.problem else "unknown", "warn"))
        return
    if reading.used_percent is not None:
        yield _gauge("Busy", reading.used_percent, 100, f"{reading.used_percent:.0f} %")
    if reading.memory_used_bytes is not None:
        used, total = reading.memory_used_bytes, reading.memory_total_bytes
        yield _gauge("Memory", used, total, memory(used, total))
    if reading.power_w is not None:
        limit = f" of {reading.power_limit_w:.0f}" if reading.power_limit_w else ""
        yield _gauge("Power", reading.power_w, reading.power_limit_w, f"{reading.power_w:.0f}{limit} W")
    if reading.temperature_c is not None:
        yield _gauge("Heat", reading.temperature_c, 100, f"{reading.temperature_c:.0f} °C")


def _gauge(label: str, part: float, whole: float | None, text: str) -> Line:
    drawn = bar(round(part * 10), round(whole * 10), GAUGE) if whole else " " * GAUGE
    return line(MARGIN, Span(left(label, 8), "dim"), Span(drawn, "chart"), f"  {text}")


def _swaps(swaps: Sequence[GpuSwap], width: int) -> Iterator[Line]:
    if not swaps:
        return
    yield line(Span("Last loads", "title"))
    for swap in reversed(swaps[-SWAPS_MOST:]):
        why = f"  {swap.left} made room" if swap.left and width >= WIDE // 2 + 8 else ""
        yield line(
            Span(moment(swap.at_ms, "%H:%M:%S"), "dim"),
            f" {left(swap.model, 20)}",
            right(seconds(swap.took_s), 6),
            Span(why, "dim"),
        )


def _findings(reading: GpuReading | None, width: int) -> Iterator[Line]:
    for found in reading.findings if reading is not None else ():
        mark, role = MARKS.get(found.severity, MARKS["info"])
        parts = line(MARGIN, Span(f"{mark} {found.text}", role), Span(f"  {found.hint}", "dim"))
        yield cut_line(parts, width)


def _counts(card: GpuHost) -> Iterator[Line]:
    if card.counts.loads:
        yield line(MARGIN, Span(f"Loads: {say_loads(card.counts)}", "dim"))
