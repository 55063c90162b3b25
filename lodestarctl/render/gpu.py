"""Hosts and their cards for people: what is on them, who waits, and what becomes of what they are told."""

from collections.abc import Iterator, Sequence

from lodestarctl.render.blocks import Block, Cell, Column, Facts, Heading, Note, Table, Tone, cells
from lodestarctl.render.gpu_words import (
    STEP_TONES,
    counted,
    energy_of,
    figures_of,
    host_line,
    kept_of,
    say_errors,
    say_incidents,
    say_left,
    say_loads,
    say_step,
    state_of,
    where_from,
    who_of,
)
from lodestarctl.render.waits import estimate, seconds, speed
from lodestarctl.render.words import UNKNOWN, count, moment, plural, size
from lodestard.control.messages.gpu import (
    GpuHost,
    GpuModel,
    GpuPlace,
    GpuQueue,
    GpuReading,
    GpuReport,
    GpuSwap,
    HostQueue,
    Learned,
    Lent,
    Pinned,
)

SEVERITIES: dict[str, tuple[str, Tone]] = {"error": ("✗", "bad"), "warning": ("!", "warn"), "info": ("·", "dim")}
SWAPS_SHOWN = 3


def render_gpu(report: GpuReport) -> list[Block]:
    """Each host: what it is at and why, its models, what it has learned, its card."""
    return [block for host in report.hosts for block in _host(host, report.at_ms)]


def render_cards(hosts: Sequence[GpuHost]) -> list[Block]:
    """A line for each host, for ``status``."""
    if not hosts:
        return []
    pairs = tuple((host.host, Cell(host_line(host), STEP_TONES.get(host.step, ""))) for host in hosts)
    told = [host for host in hosts if host.problem and host.reachable is not False]
    troubles = [Note(f"{host.host}: {host.problem}", "warn", "!") for host in told]
    return [Facts(pairs, "On the cards"), *troubles]


def _host(host: GpuHost, now_ms: int) -> Iterator[Block]:
    tone = STEP_TONES.get(host.step, "")
    version = f"Ollama {host.version}" if host.version else ""
    yield Heading((Cell(host.host, "strong"), Cell(f"● {say_step(host)}", tone)), version)
    if host.problem:
        yield Note(host.problem, "bad" if host.reachable is False else "warn", "!")
    yield Facts(tuple(_now(host)))
    yield _models(host, now_ms)
    yield from _speeds(host.models)
    yield Facts(tuple(_history(host)), "Since the daemon's start")
    yield from _swaps(host.swaps)
    yield from _card(host.reading)


# -- now -------------------------------------------------------------------------------------------------------------


def _now(host: GpuHost) -> Iterator[tuple[str, Cell]]:
    running, waiting = counted(host)
    since = f"{',' if host.step == 'paused' else ''} for {seconds(host.step_for_s)}"
    left = say_left(host)
    if host.reachable is not None:
        yield "Now", Cell(f"{say_step(host)}{since}{f', {left}' if left and left not in since else ''}")
    if host.reason:
        yield "Because", Cell(host.reason)
    yield "Requests", Cell(f"{running} running, {waiting} waiting" if host.places else "none")
    if host.next_model:
        sure = f", {host.next_percent} % sure" if host.next_percent is not None else ""
        yield "Next", Cell(f"{host.next_model} will likely be asked for{sure}")
    if host.resident_models > 1:
        yield "Holds", Cell(f"{host.resident_models} models at once")
    yield from _options(host.models)


def _options(models: Sequence[GpuModel]) -> Iterator[tuple[str, Cell]]:
    """What every request runs with: once, where all models have the same."""
    said = {model.model: ", ".join(f"{name} {value}" for name, value in model.options.items()) for model in models}
    if len(set(said.values())) == 1:
        (options,) = set(said.values())
        if options:
            yield "Options", Cell(options)
        return
    for model, options in said.items():
        if options:
            yield "Options", Cell(f"{model}: {options}")


# -- models ----------------------------------------------------------------------------------------------------------


def _models(host: GpuHost, now_ms: int) -> Table:
    columns = (
        Column("model", flexible=True),
        Column("state"),
        Column("kept", spare="narrow"),
        Column("context", "right", spare="narrow"),
        Column("size", "right", spare="wide"),
        Column("on CPU", "right"),
        Column("runs", "right", spare="narrow"),
        Column("waits", "right"),
    )
    rows = [_model(model, host, now_ms) for model in host.models]
    return Table(columns, rows, "Models", empty="No model of it is in a route, in memory or asked for.")


def _model(model: GpuModel, host: GpuHost, now_ms: int) -> tuple[Cell, ...]:
    state, tone = state_of(model, host)
    cpu = UNKNOWN if model.cpu_percent is None else f"{model.cpu_percent} %"
    return (
        Cell(model.model, "strong"),
        Cell(state, tone),
        Cell(kept_of(model, now_ms)),
        Cell(count(model.context_tokens or None)),
        Cell(size(model.size_bytes) if model.size_bytes else UNKNOWN),
        Cell(cpu, "warn" if (model.cpu_percent or 0) >= 20 else ""),
        Cell(count(model.running)),
        Cell(count(model.waiting), "warn" if model.waiting else ""),
    )


# -- what it has learned ---------------------------------------------------------------------------------------------


def _speeds(models: Sequence[GpuModel]) -> Iterator[Block]:
    known = [model for model in models if model.load_s is not None]
    if not known:
        return
    columns = (
        Column("model", flexible=True),
        Column("load", "right"),
        Column("tok/s in", "right"),
        Column("tok/s out", "right"),
        Column("first token, asked now", "right"),
    )
    yield Table(columns, [_speed(model) for model in known], "How fast they are")
    for model in known:
        yield Note(f"{model.model}: {_learned_from(model)}", "dim", "·")


def _speed(model: GpuModel) -> tuple[Cell, ...]:
    return (
        Cell(model.model, "strong"),
        Cell(seconds(model.load_s.value if model.load_s is not None else None), _guess(model.load_s)),
        Cell(speed(model.prefill_tokens_per_s), _guess(model.prefill_tokens_per_s)),
        Cell(speed(model.decode_tokens_per_s), _guess(model.decode_tokens_per_s)),
        Cell(UNKNOWN if model.wait is None else estimate(model.wait)),
    )


def _guess(figure: Learned | None) -> Tone:
    return "" if figure is not None and figure.count else "dim"


def _learned_from(model: GpuModel) -> str:
    """What its figures come from: what was seen, and which of them are only assumed."""
    figures = (
        ("load", model.load_s),
        ("prompt", model.prefill_tokens_per_s),
        ("answer", model.decode_tokens_per_s),
    )
    seen = [plural(figure.count, name) for name, figure in figures if figure is not None and figure.count]
    assumed = [name for name, figure in figures if figure is None or not figure.count]
    if not seen:
        return "assumed, as nothing of it was seen yet"
    told = f"from {', '.join(seen)}"
    return f"{told}; {' and '.join(f'{name}s' for name in assumed)} assumed" if assumed else told


# -- what has happened -----------------------------------------------------------------------------------------------


def _history(host: GpuHost) -> Iterator[tuple[str, Cell]]:
    yield "Loads", Cell(say_loads(host.counts))
    yield "Predicted waits", Cell(say_errors(host.errors))
    if incidents := list(say_incidents(host.counts)):
        yield "Also", Cell("; ".join(incidents))


def _swaps(swaps: Sequence[GpuSwap]) -> Iterator[Block]:
    if not swaps:
        return
    columns = (
        Column("at"),
        Column("loaded", flexible=True),
        Column("in place of", flexible=True),
        Column("took", "right"),
        Column("for", flexible=True, spare="narrow"),
    )
    rows = [
        cells(moment(swap.at_ms, "%H:%M:%S"), swap.model, swap.left or UNKNOWN, seconds(swap.took_s), swap.why)
        for swap in swaps[-SWAPS_SHOWN:]
    ]
    yield Table(columns, rows, "Last loads")


# -- the card --------------------------------------------------------------------------------------------------------


def _card(reading: GpuReading | None) -> Iterator[Block]:
    if reading is None:
        return
    pairs = []
    figures = ", ".join(figures_of(reading))
    if reading.state == "unknown":
        pairs.append(("Now", Cell(f"unknown: {reading.problem}" if reading.problem else "unknown", "warn")))
    else:
        pairs.append(("Now", Cell(figures or "it says nothing", "" if reading.state == "ok" else "warn")))
    if energy := energy_of(reading):
        pairs.append(("Drew", Cell(energy)))
    yield Facts(tuple(pairs), f"Card: {', '.join(filter(None, (reading.card, f'read by {where_from(reading)}')))}")
    for finding in reading.findings:
        mark, tone = SEVERITIES.get(finding.severity, SEVERITIES["info"])
        yield Note(finding.text, tone, mark, finding.hint)


# -- the queue -------------------------------------------------------------------------------------------------------


def render_queue(report: GpuQueue) -> list[Block]:
    """Who runs and who waits, in the order in which they are expected to begin."""
    return [block for queue in report.hosts for block in _queue(queue, several=len(report.hosts) > 1)]


def _queue(queue: HostQueue, *, several: bool) -> Iterator[Block]:
    columns = (
        Column("state"),
        Column("model", flexible=True),
        Column("rank"),
        Column("who", flexible=True),
        Column("for", "right"),
        Column("left", "right"),
        Column("id", spare="wide"),
    )
    rows = [_place(place) for place in queue.places]
    yield Table(columns, rows, queue.host if several else "", empty="Nobody is on the card, and nobody waits.")
    if queue.reason:
        yield Note(queue.reason, "dim", "·")


def _place(place: GpuPlace) -> tuple[Cell, ...]:
    return (
        Cell(place.state, "good" if place.state == "running" else "warn"),
        Cell(place.model, "strong"),
        Cell(place.rank),
        Cell(who_of(place)),
        Cell(seconds(place.for_s)),
        Cell(seconds(place.expected_s)),
        Cell(place.request_id[-8:], "dim"),
    )


# -- what was told ---------------------------------------------------------------------------------------------------


def render_pinned(report: Pinned) -> list[Block]:
    back = f"lodestarctl gpu unpin {report.model} takes it back."
    if report.pinned == "exclusive":
        text = f"{report.model} is pinned to {report.host}: nothing displaces it, whoever waits."
        return [Note(text, "good", "✓", back)]
    if report.pinned:
        text = f"{report.model} is pinned to {report.host}: only requests that somebody waits for displace it."
        return [Note(text, "good", "✓", f"It comes back after them. {back}")]
    if not report.changed:
        return [Note(f"{report.model} was not pinned.", "dim", "·")]
    return [Note(f"{report.model} is pinned no more.", "good", "✓")]


def render_lent(report: Lent) -> list[Block]:
    if not report.lent:
        text = f"The card of {report.host} is ours again." if report.changed else f"{report.host} was not lent."
        return [Note(text, "good", "✓") if report.changed else Note(text, "dim", "·")]
    until = f" until {moment(report.until_ms, '%Y-%m-%d %H:%M')}" if report.until_ms is not None else ""
    text = f"The card of {report.host} is lent{until}: its models leave it."
    advice = f"lodestarctl gpu resume {report.host} takes it back; until then requests go elsewhere, or are refused."
    return [Note(text, "good", "✓", advice)]
