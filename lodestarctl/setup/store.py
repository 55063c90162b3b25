"""Keeps providers' keys: as encrypted systemd credentials, as plain ones, or as files of this user.

Law: a key is in no argument, environment or message; it goes to a child by its standard input alone. What replaces a
key is there before what it replaces goes.
"""

import subprocess
from pathlib import Path
from typing import NamedTuple

from lodestarctl.setup.files import remove, write_whole
from lodestarctl.setup.place import CREDENTIAL_PREFIX, Place, Store, unit_drop_in_text
from lodestard.domain.secret import Secret

ENCRYPT_S = 30.0


class Stored(NamedTuple):
    """Where a key is now. ``note`` is what a person should know about it."""

    path: Path
    note: str = ""


def store_key(place: Place, name: str, key: Secret) -> Stored:
    """Keep the key of credential ``name``. Raises ``OSError``."""
    places = place.places_of(name)
    kind, data, note = _seal(place.store, name, key)
    path = places[kind]
    write_whole(path, data, secret=True)
    for other, old in places.items():
        if other != kind:
            remove(old)
    return Stored(path, note)


def _seal(store: Store, name: str, key: Secret) -> tuple[Store, bytes, str]:
    plain = key.reveal().encode() + b"\n"
    if store != "encrypted":
        return store, plain, ""
    try:
        return "encrypted", encrypt(name, key), ""
    except (OSError, subprocess.SubprocessError) as error:
        why = str(getattr(error, "stderr", "") or error).strip().partition("\n")[0]
        return (
            "credstore",
            plain,
            f"systemd-creds can't encrypt here ({why}); it is a plain file that only root reads.",
        )


def encrypt(name: str, key: Secret) -> bytes:
    """The credential, sealed by this machine's systemd under the name that the unit gives it.

    Source: systemd-creds(1); the name is that of the credential, not of its file.
    """
    done = subprocess.run(  # noqa: S603 - words without a shell
        ["systemd-creds", "encrypt", f"--name={name}", "-", "-"],  # noqa: S607 - root's path
        input=key.reveal().encode(),
        capture_output=True,
        check=True,
        timeout=ENCRYPT_S,
    )
    return done.stdout


def remove_key(place: Place, name: str) -> list[Path]:
    """Where it was. Raises ``OSError``."""
    return [path for path in place.places_of(name).values() if remove(path)]


def write_unit_drop_in(place: Place) -> bool:
    """Have the unit load what is there; whether that changed. Raises ``OSError``."""
    text = unit_drop_in_text(_names(place.encrypted_folder), _names(place.plain_folder))
    path = place.unit_drop_in
    before = path.read_text() if path.exists() else ""
    if text == before:
        return False
    if text:
        write_whole(path, text.encode())
    else:
        remove(path)
    return True


def _names(folder: Path) -> list[str]:
    """The credentials of ours in a folder."""
    if not folder.is_dir():
        return []
    return [file.name.removeprefix(CREDENTIAL_PREFIX) for file in folder.glob(f"{CREDENTIAL_PREFIX}*")]
