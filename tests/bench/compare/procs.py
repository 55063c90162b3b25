"""What a server's processes use, from /proc: CPU seconds and resident memory, summed over the whole family."""

import os
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
KIB = 1024
AFTER_NAME_PPID = 1
AFTER_NAME_UTIME = 11


def _after_name(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def family(pid: int) -> list[int]:
    """``pid`` and all that descends from it, as far as it lives."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                children.setdefault(int(_after_name(int(entry))[AFTER_NAME_PPID]), []).append(int(entry))
            except (FileNotFoundError, ProcessLookupError):
                continue
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found


def cpu_s(pid: int) -> float:
    """CPU seconds, user and system, that the family has used; in steps of the kernel's tick (10 ms)."""
    ticks = 0
    for member in family(pid):
        try:
            # utime, stime, and those of children that were waited for
            ticks += sum(map(int, _after_name(member)[AFTER_NAME_UTIME : AFTER_NAME_UTIME + 4]))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return ticks / TICKS_PER_S


def memory_mb(pid: int, *, peak: bool = False) -> float:
    """Resident memory of the family in MB (10⁶ bytes): now, or the most that each member ever had."""
    wanted, kib = ("VmHWM:" if peak else "VmRSS:"), 0
    for member in family(pid):
        try:
            lines = Path(f"/proc/{member}/status").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        kib += sum(int(line.split()[1]) for line in lines if line.startswith(wanted))
    return kib * KIB / 1e6


def listener_pid(port: int) -> int | None:
    """Who listens on a TCP port of this machine, as far as we may see."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == "0A":
                inodes.add(f"socket:[{fields[9]}]")
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if any(os.readlink(link) in inodes for link in Path(f"/proc/{entry}/fd").iterdir()):
                return int(entry)
        except OSError:
            continue
    return None
