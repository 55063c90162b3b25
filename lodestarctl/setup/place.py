"""Where the Lodestar is that is set up: the system's, this user's, or one configuration's. Pure over what is there.

Law: the paths are those of ``lodestard`` and its unit; tests give another root.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

UNIT = "lodestard.service"
SOCKETS = ("lodestard.socket", "lodestard-control.socket")
UNIT_FOLDERS = ("etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
DROP_IN = "20-setup.toml"
UNIT_DROP_IN = "50-lodestarctl-setup.conf"
CREDENTIAL_PREFIX = "lodestard."
FIRST_WITH_CREDS = 250
UNIT_CREDENTIALS = frozenset(
    {"anthropic", "openai", "xai", "gemini", "webhook", "mail", "openai-admin", "anthropic-admin"}
)
"""What the unit loads from ``/etc/credstore`` by itself."""

Store = Literal["encrypted", "credstore", "file"]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """``kind`` file is one configuration that was named; its keys stand beside it.

    ``program`` starts the daemon. ``store`` is where keys go; ``may_write`` whether who runs this may write there.
    """

    kind: Literal["system", "user", "file"]
    config_file: Path
    root: Path = Path("/")
    unit: bool = False
    store: Store = "file"
    may_write: bool = True
    root_runs: bool = False
    program: str = "lodestard"

    @property
    def drop_in(self) -> Path:
        """What setup writes. It sorts before most, so that a person's files and ``config set`` have the last word."""
        return self.config_file.parent / "conf.d" / DROP_IN

    @property
    def keys_folder(self) -> Path:
        return self.config_file.parent / "keys"

    @property
    def plain_folder(self) -> Path:
        return self.root / "etc/credstore"

    @property
    def encrypted_folder(self) -> Path:
        return self.root / "etc/credstore.encrypted"

    @property
    def unit_drop_in(self) -> Path:
        return self.root / "etc/systemd/system" / f"{UNIT}.d" / UNIT_DROP_IN

    @property
    def command(self) -> str:
        """How to run setup where it may write."""
        match self.kind:
            case "system":
                return "lodestarctl setup" if self.root_runs else "sudo lodestarctl setup"
            case "user":
                return "lodestarctl setup --user"
            case _:
                return f"lodestarctl --config {self.config_file} setup"

    def places_of(self, name: str) -> dict[Store, Path]:
        """Where the key of upstream ``name`` may be."""
        if self.store == "file":
            return {"file": self.keys_folder / name}
        file = f"{CREDENTIAL_PREFIX}{name}"
        return {"encrypted": self.encrypted_folder / file, "credstore": self.plain_folder / file}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says about the place."""

    config: str = ""
    system: bool = False
    user: bool = False
    encrypt: bool = True


def find_place(
    asked: Asked, environ: Mapping[str, str], uid: int, *, systemd: int = 0, root: Path = Path("/")
) -> Place:
    """``systemd`` is the version of the one that runs this machine and can encrypt; 0 where there is none."""
    system_file = root / "etc/lodestard/lodestard.toml"
    named = Path(asked.config).absolute() if asked.config else None
    unit = any((root / folder / UNIT).exists() for folder in UNIT_FOLDERS)
    if named is not None and named != system_file:
        return Place(kind="file", config_file=named, root=root)
    if named is None and (asked.user or not (asked.system or uid == 0 or unit)):
        return Place(kind="user", config_file=_user_file(environ), root=root)
    encrypted = asked.encrypt and systemd >= FIRST_WITH_CREDS
    store: Store = ("encrypted" if encrypted else "credstore") if unit else "file"
    return Place(
        kind="system",
        config_file=system_file,
        root=root,
        unit=unit,
        store=store,
        may_write=uid == 0,
        root_runs=uid == 0,
    )


def _user_file(environ: Mapping[str, str]) -> Path:
    given = Path(environ.get("XDG_CONFIG_HOME", ""))
    folder = given if given.is_absolute() else Path(environ.get("HOME") or "/") / ".config"
    return folder / "lodestard/lodestard.toml"


def unit_drop_in_text(encrypted: Iterable[str], plain: Iterable[str]) -> str:
    """The unit's drop-in for these credentials; empty where the unit loads them all by itself.

    ``LoadCredential=`` does not look for encrypted ones; a line with the same name replaces the unit's own.
    Source: systemd.exec(5), and the behaviour of systemd 252.
    """
    head = (
        "# Written by lodestarctl setup: keys that the unit would not look for. To undo it: remove this file and\n"
        "# the keys, then systemctl daemon-reload and systemctl restart lodestard.\n[Service]\n"
    )
    ours = sorted(encrypted)
    others = sorted({*plain} - {*ours} - UNIT_CREDENTIALS)
    lines = [f"LoadCredentialEncrypted={name}:{CREDENTIAL_PREFIX}{name}\n" for name in ours]
    lines += [f"LoadCredential={name}:{CREDENTIAL_PREFIX}{name}\n" for name in others]
    return head + "".join(lines) if lines else ""
