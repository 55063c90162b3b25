"""What the doctor finds on hosts and their cards. Pure.

Law: what a card's own watcher has found is told as it says it; the same thing is never told twice.
"""

from collections.abc import Iterator, Sequence

from lodestard.control.messages import Finding, Severity
from lodestard.control.messages.gpu import GpuHost, GpuModel

MUCH_ON_CPU_PERCENT = 20
SPILL_CODES = ("model_spill", "model_on_cpu")


def examine_hosts(hosts: Sequence[GpuHost], told_down: frozenset[str]) -> Iterator[Finding]:
    """``told_down`` are hosts of which it is said already that they do not answer."""
    for host in hosts:
        if host.reachable is False:
            if host.host not in told_down:
                what = f"{host.host} does not answer{f': {host.problem}' if host.problem else ''}."
                yield _finding("error", "host_unreachable", what, "Is Ollama running there, and listening?")
        else:
            yield from _examine_models(host)
        yield from _examine_card(host)


def _examine_models(host: GpuHost) -> Iterator[Finding]:
    spill_told = host.reading is not None and any(found.code in SPILL_CODES for found in host.reading.findings)
    for model in host.models:
        if model.resident and (model.cpu_percent or 0) >= MUCH_ON_CPU_PERCENT and not spill_told:
            yield _finding(
                "warning",
                "model_on_cpu",
                f"{model.cpu_percent} % of {model.model} lie outside the card of {host.host}: it is slow.",
                "A smaller num_ctx, or a smaller quantisation of the model, leaves more of it on the card.",
            )
        if model.warm and not model.resident and not model.missing and host.step == "idle":
            what = f"{model.model} should be kept loaded on {host.host}, and is not."
            mend = f"lodestarctl warm {model.model} loads it; resident_models says how many fit at once."
            yield _finding("warning", "warm_absent", what, mend)
        yield from _examine_options(host, model)
    if host.counts.unplanned:
        yield _finding(
            "warning",
            "unplanned_loads",
            f"{host.host} has loaded models on its own {_times(host.counts.unplanned)}: somebody else uses it, too.",
            "Whoever asks Ollama directly loads models with other options: let them ask Lodestar instead.",
        )


def _examine_options(host: GpuHost, model: GpuModel) -> Iterator[Finding]:
    """A model that is loaded otherwise than every request will ask for is loaded again by the next one."""
    wanted = model.options.get("num_ctx")
    if model.resident and wanted and model.context_tokens and wanted != model.context_tokens:
        yield _finding(
            "warning",
            "context_differs",
            f"{model.model} is loaded on {host.host} with a context of {model.context_tokens:,}, not {wanted:,}.",
            "The next request loads it again, or its length is less than num_ctx: ollama show tells which.",
        )


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _examine_card(host: GpuHost) -> Iterator[Finding]:
    reading = host.reading
    if reading is None:
        return
    for found in reading.findings:
        what = f"The card of {host.host}: {found.text.rstrip('.')}."
        yield _finding(found.severity, f"card_{found.code}", what, found.hint)
    if reading.state == "unknown" and not reading.findings:
        why = f": {reading.problem.rstrip('.')}" if reading.problem else ""
        what = f"Nothing is known of the card of {host.host}{why}."
        yield _finding("info", "card_unknown", what, "[modules.gpu] says where its figures come from.")


def _finding(severity: Severity, code: str, what: str, mend: str) -> Finding:
    return Finding(severity=severity, code=code, what=what, mend=mend)
