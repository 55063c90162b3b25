"""Hosts and cards in words, for every screen that tells of them. Pure."""

from collections.abc import Iterator, Mapping

from lodestarctl.render.blocks import Tone
from lodestarctl.render.waits import about_seconds, seconds, until
from lodestarctl.render.words import moment, plural, span
from lodestard.control.messages.gpu import GpuCounts, GpuErrors, GpuHost, GpuModel, GpuPlace, GpuReading

STEP_TONES: Mapping[str, Tone] = {
    "idle": "dim",
    "serving": "good",
    "draining": "warn",
    "unloading": "warn",
    "loading": "warn",
    "paused": "warn",
    "unreachable": "bad",
}
STEP_WORDS: Mapping[str, str] = {
    "serving": "answering with",
    "draining": "finishing with",
    "unloading": "unloading",
    "loading": "loading",
}
SWITCHING = ("draining", "unloading", "loading")
SOURCES: Mapping[str, str] = {
    "exporter": "nvidia_gpu_exporter",
    "dcgm": "DCGM",
    "ssh": "nvidia-smi over ssh",
    "local": "nvidia-smi",
    "ps": "Ollama alone",
}
HELD_BACK: Mapping[str, str] = {
    "sw_power_cap": "by its power limit",
    "sw_thermal": "by heat",
    "hw_thermal": "by heat",
    "hw_slowdown": "by the hardware",
    "hw_power_brake": "by the power supply",
    "applications_clocks": "by fixed clocks",
    "display_clocks": "by its displays",
    "sync_boost": "by another card",
}
GIB = 1 << 30
J_PER_WH = 3_600
FEW = 10


def say_step(host: GpuHost) -> str:
    """What a host is at: ``loading deepseek-coder:6.7b``."""
    if host.reachable is None and host.step == "idle":
        return "not asked yet"
    if host.step == "paused":
        return f"lent until {moment(host.paused_until_ms, '%a %H:%M')}" if host.paused_until_ms else "lent"
    words = STEP_WORDS.get(host.step, host.step)
    return f"{words} {host.step_model}" if host.step_model and host.step in STEP_WORDS else words


def say_left(host: GpuHost) -> str:
    """How much longer a switch takes, where that can be told; otherwise how long it has been."""
    if host.step not in SWITCHING:
        return ""
    if host.step_left_s:
        return f"{about_seconds(host.step_left_s)} left"
    return f"for {seconds(host.step_for_s)}"


def counted(host: GpuHost) -> tuple[int, int]:
    """How many requests run, and how many wait."""
    running = sum(place.state == "running" for place in host.places)
    return running, len(host.places) - running


def host_line(host: GpuHost) -> str:
    """A host in one line: what it is at, who waits, what its card says."""
    running, waiting = counted(host)
    resident = [model.model for model in host.models if model.resident]
    doing = ", ".join(filter(None, (say_step(host), say_left(host))))
    if host.step == "idle" and host.reachable:
        doing = f"idle, {' and '.join(resident) or 'nothing'} loaded"
    if host.reachable is False and host.problem:
        doing = f"{doing}: {host.problem}"
    parts = [doing]
    parts += [f"{running} running"] if running > 1 else []
    parts += [f"{waiting} waiting"] if waiting else []
    parts += list(vital_signs(host.reading)) if host.reading is not None else []
    return " · ".join(parts)


def vital_signs(reading: GpuReading) -> Iterator[str]:
    """Temperature and power, where they are known."""
    if reading.state == "ok":
        if reading.temperature_c is not None:
            yield f"{reading.temperature_c:.0f} °C"
        if reading.power_w is not None:
            yield f"{reading.power_w:.0f} W"


def figures_of(reading: GpuReading) -> Iterator[str]:
    """Everything that a card says of itself, but for what is wrong with it."""
    if reading.temperature_c is not None:
        yield f"{reading.temperature_c:.0f} °C"
    if reading.power_w is not None:
        limit = f" of {reading.power_limit_w:.0f} W" if reading.power_limit_w is not None else ""
        yield f"{reading.power_w:.0f} W{limit}"
    if reading.used_percent is not None:
        yield f"{reading.used_percent:.0f} % busy"
    if reading.memory_used_bytes is not None:
        yield f"{memory(reading.memory_used_bytes, reading.memory_total_bytes)} in use"
    if reading.clock_mhz is not None:
        yield f"{reading.clock_mhz:,.0f} MHz"
    if reading.throttled:
        reasons = dict.fromkeys(HELD_BACK.get(reason, f"by {reason}") for reason in reading.throttled)
        yield f"held back {' and '.join(reasons)}"


def memory(used_bytes: int, total_bytes: int | None) -> str:
    """``3.6 of 4.0 GiB``: a card's memory goes by powers of two."""
    total = f" of {total_bytes / GIB:.1f}" if total_bytes else ""
    return f"{used_bytes / GIB:.1f}{total} GiB"


def where_from(reading: GpuReading) -> str:
    """Who says it, and how old it is where it should be younger."""
    source = SOURCES.get(reading.source, reading.source)
    if reading.state == "stale" and reading.age_s is not None:
        return f"{source}, {span(reading.age_s)} ago"
    return source


def energy_of(reading: GpuReading) -> str:
    """``31 Wh in 2 h 5 min, 0.011 EUR``; empty where nothing was measured."""
    energy = reading.energy
    if energy is None or not energy.measured_s:
        return ""
    hours = energy.watt_seconds / J_PER_WH
    amount = f"{hours:.0f} Wh" if hours < 999.5 else f"{hours / 1000:.1f} kWh"
    cost = f", {tariff_cost(energy.cost)} {energy.currency}".rstrip() if energy.cost is not None else ""
    return f"{amount} in {span(energy.measured_s)}{cost}"


def tariff_cost(amount: str) -> str:
    """An amount by tariff: two decimals, or two digits of less than a tenth."""
    value = float(amount)
    return f"{value:.2f}" if value >= 0.1 or not value else f"{value:.2g}"


def state_of(model: GpuModel, host: GpuHost) -> tuple[str, Tone]:
    """Where a model is."""
    if model.missing:
        return "✗ missing", "bad"
    if host.step == "loading" and host.step_model == model.model:
        return "● loading", "warn"
    if model.resident:
        return "● loaded", "good"
    return ("○ on disk" if host.reachable else "○ unknown"), "dim"


def kept_of(model: GpuModel, now_ms: int) -> str:
    """What keeps a model on the card: a pin, the configuration, or its server's patience."""
    words = {"kept": "pinned", "exclusive": "exclusive"}
    kept = [words.get(model.pinned, model.pinned)] if model.pinned else []
    kept += [word for word, is_so in (("warm", model.warm), ("default", model.default)) if is_so]
    if model.resident and not model.renewed and not kept and model.expires_ms is not None:
        return until(model.expires_ms, now_ms)
    return ", ".join(kept)


def who_of(place: GpuPlace) -> str:
    """Who asks, and for what."""
    said = [word for word in (place.client, place.task) if word]
    return " ".join(said) or place.session or place.principal


def say_errors(errors: GpuErrors) -> str:
    """How far its predictions were off: ``off by 0.8 s at the median, 82 % within the interval, 140 waits``."""
    if not errors.count or errors.median_s is None:
        return "nothing to compare with yet"
    parts = [f"off by {seconds(errors.median_s)} at the median"]
    if errors.count < FEW:
        return ", ".join([*parts, plural(errors.count, "wait")])
    parts += [f"by {seconds(errors.p90_s)} or less in nine of ten"] if errors.p90_s is not None else []
    parts += [f"{errors.within_percent} % within the interval"] if errors.within_percent is not None else []
    return ", ".join([*parts, plural(errors.count, "wait")])


def say_loads(counts: GpuCounts) -> str:
    """How often models were loaded, and what for."""
    if not counts.loads:
        return "none yet"
    parts = [f"{counts.loads:,}"]
    if counts.swaps:
        each = seconds(counts.swap_seconds / counts.swaps)
        parts.append(f"{counts.swaps:,} swaps for requests, {each} each" if counts.swaps > 1 else f"1 swap, {each}")
    if counts.speculative:
        parts.append(f"{counts.speculative:,} ahead of requests, {counts.speculative_hits:,} of them rightly")
    if counts.cancelled_loads:
        parts.append(f"{counts.cancelled_loads:,} given up")
    return "; ".join(parts)


def say_incidents(counts: GpuCounts) -> Iterator[str]:
    """What else has happened, where it has."""
    if counts.unplanned:
        yield f"{plural(counts.unplanned, 'load')} by the server itself"
    if counts.superseded:
        yield f"{plural(counts.superseded, 'request')} replaced by newer ones"
    if counts.preempted:
        yield f"{plural(counts.preempted, 'request')} stopped for more urgent ones"
    if counts.given_up:
        yield f"{plural(counts.given_up, 'request')} sent on after too long a wait"
    if counts.restarts:
        yield f"{plural(counts.restarts, 'restart')} of the server"
