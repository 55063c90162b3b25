"""Which daemon a configuration means: the control socket that it names."""

import tomllib
from pathlib import Path

DROP_INS = "conf.d"


def socket_of(config: Path) -> str | None:
    """None where it names none, or can't be read: who needs it says so. The last drop-in wins, as for the daemon."""
    found = None
    for file in (config, *sorted((config.parent / DROP_INS).glob("*.toml"))):
        try:
            control = tomllib.loads(file.read_text("utf-8-sig")).get("control", {})
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(control, dict) and isinstance(named := control.get("socket"), str) and named:
            found = named
    return found
