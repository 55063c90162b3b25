"""Fetches the keys of upstreams and modules from where the configuration says they are.

Law: a key that is missing takes out its upstream (or what its module does with it) and nothing else; a key that is
there but must not be used (empty, readable by others, not a header value) is a fault. No message repeats any part of
a key. The returned mappings are the only place where keys are.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from lodestard.config.fault import ConfigError, ConfigFault, KeyPath, Place, dotted
from lodestard.domain.secret import Secret
from lodestard.domain.settings import KeySource, Settings

MAX_KEY_BYTES = 16 * 1024
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
CREDENTIAL_STORE = "/etc/credstore/lodestard."
"""Where the unit takes them from: the one place where a person can put one."""

_USABLE = re.compile(r"[!-~]+")


class KeyProblem(msgspec.Struct, frozen=True):
    """``upstream`` has no key, and why: it can't be asked until that is mended."""

    upstream: str
    message: str


class Keys(msgspec.Struct, frozen=True):
    """The keys by upstream. An upstream that is in neither needs none."""

    by_upstream: Mapping[str, Secret]
    problems: tuple[KeyProblem, ...]


class ModuleSecrets(msgspec.Struct, frozen=True):
    """What modules name with a ``KeySource``. Called with one, it gives the secret.

    Raises ``LookupError`` with a sentence for a person where there is none.
    """

    found: Mapping[KeySource, Secret]
    missing: Mapping[KeySource, str]

    def __call__(self, source: KeySource) -> Secret:
        if source in self.found:
            return self.found[source]
        raise LookupError(self.missing.get(source, "the configuration does not name this secret"))


class _MissingError(Exception):
    """There is no key there."""


class _WrongError(Exception):
    """There is one, and it must not be used."""


def resolve_keys(settings: Settings, environ: Mapping[str, str], origins: Mapping[str, str] | None = None) -> Keys:
    """Look for every upstream's key. Blocks on the disk. ``origins`` are those of the loaded configuration.

    Raises ``ConfigError`` with a fault for each key that is empty, readable by others or not a header value.
    Source for credentials: systemd.exec(5), ``LoadCredential=``.
    """
    found: dict[str, Secret] = {}
    problems: list[KeyProblem] = []
    faults: list[ConfigFault] = []
    for name, upstream in settings.upstreams.items():
        if upstream.key is None:
            continue
        try:
            found[name] = _checked(_fetch(upstream.key, environ))
        except _MissingError as error:
            problems.append(KeyProblem(name, str(error)))
        except _WrongError as error:
            key = dotted(("upstreams", name, "key"))
            faults.append(ConfigFault(key=key, place=Place((origins or {}).get(key, "")), message=str(error)))
    if faults:
        raise ConfigError(faults)
    return Keys(found, tuple(problems))


def resolve_module_keys(
    settings: Settings, environ: Mapping[str, str], origins: Mapping[str, str] | None = None
) -> ModuleSecrets:
    """Look for every secret that modules which are switched on name, wherever in their tables.

    Blocks as ``resolve_keys`` does. Raises ``ConfigError`` with a fault for each that must not be used.
    """
    found: dict[KeySource, Secret] = {}
    missing: dict[KeySource, str] = {}
    faults: list[ConfigFault] = []
    for path, source in find_sources(settings.modules):
        try:
            found[source] = _checked(_fetch(source, environ))
        except _MissingError as error:
            missing[source] = str(error)
        except _WrongError as error:
            key = dotted(path)
            faults.append(ConfigFault(key=key, place=Place((origins or {}).get(key, "")), message=str(error)))
    if faults:
        raise ConfigError(faults)
    return ModuleSecrets(found, missing)


def find_sources(modules: Mapping[str, Any]) -> Iterator[tuple[KeyPath, KeySource]]:
    """Where modules that are switched on name a secret. Pure."""
    for name, table in modules.items():
        if getattr(table, "enabled", True):
            yield from _sources(("modules", name), table)


def _sources(path: KeyPath, value: object) -> Iterator[tuple[KeyPath, KeySource]]:
    if isinstance(value, KeySource):
        yield path, value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _sources((*path, name), getattr(value, name))
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from _sources((*path, name), member)


def _checked(text: str) -> Secret:
    text = text.strip()
    if not text:
        raise _WrongError("the key is empty")
    if not _USABLE.fullmatch(text):
        raise _WrongError("the key has spaces, line breaks or characters that no key has")
    return Secret(text)


def _fetch(source: KeySource, environ: Mapping[str, str]) -> str:
    if source.credential:
        return _from_credential(source.credential, environ)
    if source.env:
        return _from_environment(source.env, environ)
    return _from_file(source.file, environ)


def _from_credential(name: str, environ: Mapping[str, str]) -> str:
    folder = environ.get(CREDENTIALS_VARIABLE, "")
    if not folder:
        raise _MissingError(f"no credential {name!r} ({CREDENTIAL_STORE}{name}, for one that systemd starts)")
    path = Path(folder, name)
    if not path.exists():
        raise _MissingError(f"no credential {name!r} ({CREDENTIAL_STORE}{name})")
    with _opened(path, f"credential {name!r}") as descriptor:
        return _read(descriptor, f"credential {name!r}")


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    text = environ.get(name)
    if text is None:
        raise _MissingError(f"the environment variable {name} is not set")
    return text


def _from_file(file: str, environ: Mapping[str, str]) -> str:
    path = Path(environ.get("HOME", "/"), file[2:]) if file.startswith("~/") else Path(file)
    with _opened(path, f"file {file}") as descriptor:
        _refuse_shared(os.fstat(descriptor), file)
        return _read(descriptor, f"file {file}")


def _refuse_shared(status: os.stat_result, file: str) -> None:
    if status.st_uid != os.geteuid():
        raise _WrongError(f"{file} belongs to another user (uid {status.st_uid}, not {os.geteuid()})")
    if stat.S_IMODE(status.st_mode) & 0o177:
        raise _WrongError(f"{file} may be used by others (mode {stat.S_IMODE(status.st_mode):04o}): chmod 600 {file}")


@contextmanager
def _opened(path: Path, what: str) -> Iterator[int]:
    """An open descriptor, so that what is checked is what is read. Without blocking: it could be a pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise _MissingError(f"{what}: {getattr(error, 'strerror', None) or 'not a path'}") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int, what: str) -> str:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise _WrongError(f"{what} is not a regular file")
    data = os.read(descriptor, MAX_KEY_BYTES + 1)
    if len(data) > MAX_KEY_BYTES:
        raise _WrongError(f"{what} is larger than a key can be")
    return data.decode("utf-8", "replace")
