"""Why nothing, or not everything, can be read of a card: stable codes, each with what to do about it. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from lodestard.domain.telemetry import Finding, Severity, Source

MAX_WORDS = 160
SSH_FAILED = 255
NOT_EXECUTABLE = 126
NOT_FOUND = 127
NO_EXIT = -1


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """``code`` is a key of ``ADVICE``; ``text`` is one line for a person, without a full stop."""

    code: str
    text: str


# Code → (how bad, what to do).
ADVICE: Mapping[str, tuple[Severity, str]] = {
    "not_found": ("error", "Install NVIDIA's driver there; nvidia-smi comes with it."),
    "ssh_failed": (
        "error",
        "Try the command of modules.gpu.cards by hand, as the daemon's user: key, known_hosts and address.",
    ),
    "no_driver": (
        "error",
        "The kernel module is not loaded: modprobe nvidia, or reboot; after a new kernel, rebuild it.",
    ),
    "no_nvml": ("error", "libnvidia-ml.so.1 is missing: the driver's user-space part is not installed there."),
    "library_mismatch": ("error", "The driver was upgraded under a running kernel module: reboot that machine."),
    "no_power_cable": ("error", "Plug in the card's power cables."),
    "no_permission": ("error", "Let the user read /dev/nvidia*: group video or render, or the unit's DeviceAllow=."),
    "no_devices": (
        "error",
        "No card is visible there: lspci | grep -i nvidia, and the virtual machine's passthrough.",
    ),
    "gpu_lost": (
        "error",
        "Reboot that machine. If it comes back: power supply, slot, temperature (dmesg | grep Xid).",
    ),
    "reset_needed": ("error", "Stop what uses the card, then nvidia-smi --gpu-reset, or reboot that machine."),
    "smi_failed": ("error", "Run nvidia-smi there by hand."),
    "hung": ("error", "nvidia-smi can't even be killed: the driver hangs. Reboot that machine."),
    "silent": ("warning", "It is started again. Is that machine, or the way to it, overloaded?"),
    "unreachable": ("error", "Is the exporter running, and does it listen on an address that this machine reaches?"),
    "page_refused": ("error", "Check modules.gpu.cards' url: the path is usually /metrics."),
    "page_unreadable": ("error", "Check modules.gpu.cards' url: it is no page for Prometheus."),
    "no_figures": ("error", 'Check source: nvidia_gpu_exporter is "exporter", dcgm-exporter is "dcgm".'),
    "exporter_failing": ("error", "The exporter's own log has the reason; run nvidia-smi on that machine."),
    "exporter_flaky": ("warning", "The exporter's own log has the reasons."),
    "no_such_card": ("error", "Set modules.gpu.cards' gpu to a UUID that nvidia-smi -L lists there."),
    "several_cards": ("info", "Set modules.gpu.cards' gpu to the UUID of the one that serves the models."),
    "no_upstream": ("error", "Name the table in [modules.gpu.cards] after an upstream."),
    "no_residency": ("info", "Set [residency] enabled, or another source in [modules.gpu.cards]."),
    "host_unreachable": ("info", "See the upstream in lodestarctl status."),
}

# What nvidia-smi exits with is NVML's return code (nvml.h); exporters hand it on.
_BY_EXIT: Mapping[int, Trouble] = {
    4: Trouble(code="no_permission", text="nvidia-smi may not read the card"),
    6: Trouble(code="no_devices", text="nvidia-smi finds no card"),
    8: Trouble(code="no_power_cable", text="the card's power cables are not attached"),
    9: Trouble(code="no_driver", text="the NVIDIA driver is not loaded"),
    12: Trouble(code="no_nvml", text="the NVML library is missing"),
    15: Trouble(code="gpu_lost", text="the card has fallen off the bus"),
    16: Trouble(code="reset_needed", text="the card needs a reset"),
    17: Trouble(code="no_permission", text="the operating system blocks the card's device"),
    18: Trouble(code="library_mismatch", text="driver and NVML library are of different versions"),
    28: Trouble(code="no_devices", text="nvidia-smi finds no card"),
    NOT_EXECUTABLE: Trouble(code="not_found", text="nvidia-smi can't be executed"),
    NOT_FOUND: Trouble(code="not_found", text="nvidia-smi is not installed, or not in the path"),
}
# What it prints (on its standard output) where its status alone does not say it; in lower case.
_BY_WORDS: Sequence[tuple[str, Trouble]] = (
    ("gpu is lost", _BY_EXIT[15]),
    ("requires reset", _BY_EXIT[16]),
    ("unable to determine the device handle", Trouble(code="gpu_lost", text="the driver has lost the card")),
    ("driver/library version mismatch", _BY_EXIT[18]),
    ("couldn't communicate with the nvidia driver", _BY_EXIT[9]),
    ("couldn't find libnvidia-ml", _BY_EXIT[12]),
    ("no devices were found", _BY_EXIT[6]),
)


def find_in_words(words: Sequence[str]) -> Trouble | None:
    """The trouble that the lines speak of; the one that says most where they speak of more."""
    text = "\n".join(words).lower()
    return next((trouble for said, trouble in _BY_WORDS if said in text), None)


def judge_exit(source: Source, status: int, words: Sequence[str]) -> Trouble:
    """Why ``nvidia-smi`` ended with ``status``, by its last ``words``."""
    if (known := find_in_words(words)) is not None:
        return known
    last = f": {shown(words[-1])}" if words else ""
    if source == "ssh" and status == SSH_FAILED:
        return Trouble(code="ssh_failed", text=f"ssh failed{last}")
    if (known := _BY_EXIT.get(status)) is not None:
        return known
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    return Trouble(code="smi_failed", text=f"nvidia-smi {how}{last}")


def judge_exporter(code: float) -> Trouble:
    """An exporter that is up and whose look at the card has failed with ``code``."""
    if code in _BY_EXIT:
        why = _BY_EXIT[int(code)].text
    else:
        why = "it could not be run, or took too long" if code == NO_EXIT else f"it ended with {code:g}"
    return Trouble(code="exporter_failing", text=f"the exporter is up, but its nvidia-smi fails: {why}")


def shown(line: str) -> str:
    """A foreign line as a part of ours: printable and short."""
    text = "".join(char if char.isprintable() else " " for char in line).strip().rstrip(".")
    return text if len(text) <= MAX_WORDS else f"{text[: MAX_WORDS - 1]}…"


def finding_of(code: str, text: str) -> Finding:
    """A trouble as a finding."""
    severity, hint = ADVICE[code]
    return Finding(code=code, severity=severity, text=text, hint=hint)
