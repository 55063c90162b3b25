"""What a process takes, as Linux tells it: memory, descriptors, processor time."""

import os
import resource
from pathlib import Path

KIB = 1 << 10
MIB = 1 << 20
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PEAK = "5"  # proc(5), clear_refs: forget the peak of resident memory


def memory_bytes(pid: int) -> int:
    """Resident memory now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def forget_peak(pid: int) -> None:
    """``peak_bytes`` counts from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text(_PEAK)


def peak_bytes(pid: int) -> int:
    """The most resident memory that there ever was."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * KIB


def descriptors(pid: int) -> int:
    """How many are open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def processor_s(pid: int) -> float:
    """Processor time so far, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def allow_descriptors(count: int) -> None:
    """Let this process open so many. Raises ``ValueError`` where the machine does not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
