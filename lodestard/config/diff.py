"""What a reload would change. Pure.

Law: most of the configuration is swapped whole; the keys in ``RESTART`` belong to things that are opened once
and keep their old value until the next start.
"""

import re

import msgspec

from lodestard.config.show import flat
from lodestard.domain.settings import Settings

RESTART = (
    "state_dir",
    "server.listen",
    "server.allowed_hosts",
    "server.allowed_origins",
    "server.limits",
    "control",
    "cache.enabled",
    "cache.disk",
    "ledger.timezone",
)
"""Keys, and tables of keys, that take effect at the next start only. ``docs/configuration.md`` marks them."""

_RESTART = re.compile(rf"(?:{'|'.join(map(re.escape, RESTART))})(?:$|[.\[])")


class Changes(msgspec.Struct, frozen=True):
    """Dotted keys, sorted. ``need_restart`` is a part of ``changed``."""

    changed: tuple[str, ...]
    need_restart: tuple[str, ...]


def diff(old: Settings, new: Settings) -> Changes:
    """Which keys differ in effect: one that is written out with its default is no change."""
    before, after = flat(old), flat(new)
    changed = tuple(
        sorted(key for key in before.keys() | after.keys() if before.get(key, ...) != after.get(key, ...))
    )
    return Changes(changed, tuple(key for key in changed if needs_restart(key)))


def needs_restart(key: str) -> bool:
    """Whether a change of ``key`` waits for the next start."""
    return _RESTART.match(key) is not None
