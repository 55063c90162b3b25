"""On what, and against what, a run was made."""

import os
import platform
from pathlib import Path

import msgspec

from tests.bench.compare import kit


def machine() -> str:
    """The CPU, how many cores, and the kernel."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"


def versions() -> dict[str, str]:
    """Of what takes part, as far as it is installed."""
    found = {}
    for name, command in {
        "nginx": ("nginx", "-v"),
        "wrk": ("wrk", "-v"),
        "h2load": ("h2load", "--version"),
        "node": ("node", "--version"),
    }.items():
        try:
            found[name] = kit.version_of(kit.find(command[0]), command[1])
        except kit.MissingError:
            continue
    if (package := kit.PORTKEY / "package.json").exists():
        found["portkey"] = msgspec.json.decode(package.read_bytes())["version"]
    for folder in (kit.ROOT / ".venv-litellm/lib").glob("python3*/site-packages/litellm-*.dist-info"):
        found["litellm"] = folder.name.removeprefix("litellm-").removesuffix(".dist-info")
    return found
