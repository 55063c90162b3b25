"""How far a load or a download is: one line for people. Pure."""

from lodestarctl.dashboard.words import bar
from lodestarctl.render.blocks import Block, Note
from lodestarctl.render.waits import about_seconds
from lodestarctl.render.words import plural, size, span
from lodestard.control.messages.gpu import PullItem, UnloadItem, WarmItem

BAR = 20


def warm_line(item: WarmItem) -> str:
    """What a load waits for, or how long it still takes."""
    left = f", {about_seconds(item.left_s)}" if item.left_s is not None else ""
    if item.state == "loading":
        drawn = f"{load_bar(item.for_s, item.left_s)}  " if item.left_s is not None else ""
        known = f"{left} left" if item.left_s else f", for {span(item.for_s)}"
        return f"{drawn}loading {item.model}{known}"
    if item.state == "draining":
        return f"waiting until {item.other} has finished{left}"
    if item.state == "unloading":
        return f"unloading {item.other} to make room{left}"
    behind = f"behind {plural(item.ahead, 'request')}" if item.ahead else "for the card"
    return f"waiting {behind}{left}"


def load_bar(for_s: float, left_s: float | None, width: int = BAR) -> str:
    """How much of a load is over, as far as anybody knows: full only when it is."""
    whole_ms = round((for_s + (left_s or 0)) * 1_000)
    return bar(min(round(for_s * 1_000), whole_ms - 1), whole_ms, width)


def about_warm(item: WarmItem) -> str:
    """What a line about it is about: another text is worth another line in a log."""
    return f"{item.state} {item.other} {item.ahead}"


def render_warm(item: WarmItem) -> list[Block]:
    if item.was_loaded:
        return [Note(f"{item.model} is loaded already.", "good", "✓")]
    return [Note(f"{item.model} is ready ({_took(item.took_s)}).", "good", "✓")]


def _took(took_s: float | None) -> str:
    if took_s is None or took_s < 59.95:
        return f"{took_s or 0:.1f} s"
    return span(took_s)


def unload_line(item: UnloadItem) -> str:
    if item.running:
        return f"waiting for {plural(item.running, 'request')} of {item.model} to end"
    return f"unloading {item.model}"


def render_unloaded(item: UnloadItem) -> list[Block]:
    if item.was_loaded:
        return [Note(f"{item.model} has left the card of {item.host}.", "good", "✓")]
    return [Note(f"{item.model} was not loaded.", "dim", "·")]


def pull_line(item: PullItem) -> str:
    """How much of a download is there, how fast it comes, and how long it takes."""
    if not item.total_bytes or item.done_bytes >= item.total_bytes:
        return f"{item.model}: {item.status}"
    parts = [
        bar(item.done_bytes, item.total_bytes, BAR),
        f"{item.model}",
        f"{size(item.done_bytes)} of {size(item.total_bytes)}",
    ]
    parts += [f"{size(round(item.bytes_per_s))}/s"] if item.bytes_per_s is not None else []
    parts += [f"{span(round(item.left_s))} left"] if item.left_s is not None else []
    return "  ".join(parts)


def about_pull(item: PullItem) -> str:
    """As ``about_warm``: each tenth of it is worth a line."""
    return f"{item.status} {item.done_bytes * 10 // item.total_bytes if item.total_bytes else 0}"


def render_pulled(item: PullItem) -> list[Block]:
    whole = f" ({size(item.total_bytes)})" if item.total_bytes else ""
    return [Note(f"{item.model} is on {item.host}{whole}.", "good", "✓")]
