"""The machine's time zone by its name. Source: localtime(5): ``/etc/localtime`` is a link into the zone database."""

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LOCALTIME = Path("/etc/localtime")
DATABASE = "/zoneinfo/"
UTC = "UTC"


def machine_zone(localtime: Path = LOCALTIME) -> str:
    """``Europe/Berlin``; ``UTC`` where the machine does not say, or says what nobody knows."""
    try:
        target = str(localtime.readlink())
    except OSError:
        return UTC
    name = target.rpartition(DATABASE)[2]
    return name if is_zone(name) else UTC


def is_zone(name: str) -> bool:
    """Whether ``name`` is in the zone database."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
