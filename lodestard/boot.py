"""From a configuration file to a ``Plan`` that the daemon can open: read, find the keys, name what is missing.

Law: blocks on the disk and on nothing else; raises ``ConfigError`` with everything that is wrong.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lodestard.config import ConfigError, ConfigFault, Loaded, Place, load
from lodestard.config.paths import Paths, find_paths
from lodestard.config.policy import read_policy
from lodestard.config.secrets import resolve_keys, resolve_module_keys
from lodestard.config.write import Change as Written
from lodestard.config.write import write_drop_in
from lodestard.domain.record import Record
from lodestard.domain.settings import Settings
from lodestard.generation import Blueprint
from lodestard.house import Plan
from lodestard.http import Certificate, read_certificate
from lodestard.module import Module

Change = Callable[[Settings], Settings]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads one configuration again and again. ``change`` is what the command line and the demo say on top."""

    config_file: Path
    environ: Mapping[str, str]
    modules: Sequence[Module]
    change: Change = lambda settings: settings
    simulated: bool = False

    def load(self) -> Loaded:
        """The configuration as it stands in the file, with ``change`` applied. Raises ``ConfigError``."""
        loaded = load(self.config_file, module_schemas=self._schemas)
        return msgspec.structs.replace(loaded, settings=self.change(loaded.settings))

    def write_change(self, change: Written) -> None:
        """Lay ``change`` over the configuration, in a drop-in of its own. Raises ``ConfigError``."""
        write_drop_in(self.config_file, change, module_schemas=self._schemas)

    @property
    def _schemas(self) -> Mapping[str, type[Record]]:
        return {module.name: module.settings for module in self.modules}

    def read_plan(self) -> Plan:
        """What the daemon opens. Raises ``ConfigError``."""
        loaded = self.load()
        keys = resolve_keys(loaded.settings, self.environ, loaded.origins)
        missing = {problem.upstream: problem.message for problem in keys.problems}
        secrets = resolve_module_keys(loaded.settings, self.environ, loaded.origins)
        shadow = self._read_shadow(loaded.settings)
        blueprint = Blueprint(loaded.settings, keys.by_upstream, missing, self.modules, secrets, shadow)
        return Plan(loaded, blueprint, find_certificate(loaded, self.environ))

    def _read_shadow(self, settings: Settings) -> Settings | None:
        """The policy that is only looked at, from beside the configuration where its path is no absolute one."""
        name = settings.routing.shadow
        return read_policy(self.config_file.parent / Path(name).expanduser(), settings) if name else None


def find_certificate(loaded: Loaded, environ: Mapping[str, str]) -> Certificate | None:
    """The certificate that the configuration names; None where it names none. Raises ``ConfigError``."""
    tls = loaded.settings.server.tls
    if not tls.cert_file:
        return None
    home = environ.get("HOME", "/")
    cert, key = (
        Path(home, file[2:]) if file.startswith("~/") else Path(file)
        for file in (tls.cert_file, tls.key_file or tls.cert_file)
    )
    try:
        return read_certificate(cert, key)
    except ValueError as error:
        place = Place(loaded.origins.get("server.tls.cert_file", ""))
        raise ConfigError([ConfigFault(key="server.tls", place=place, message=str(error))]) from None


def places(settings: Settings, environ: Mapping[str, str]) -> Paths:
    """Where this daemon's things are: as the configuration says, otherwise as the environment does."""
    paths = find_paths(environ, os.geteuid())
    if settings.state_dir:
        paths = msgspec.structs.replace(paths, state_dir=Path(settings.state_dir).expanduser())
    if settings.control.socket:
        paths = msgspec.structs.replace(paths, control_socket=Path(settings.control.socket).expanduser())
    return paths
