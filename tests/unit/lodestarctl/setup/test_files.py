"""What is written, with which rights, and what a stop in the midst of it leaves."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from lodestarctl.setup import store
from lodestarctl.setup.files import keep_backup, write_whole
from lodestarctl.setup.place import Place
from lodestarctl.setup.store import remove_key, store_key, write_unit_drop_in
from lodestard.domain.secret import Secret

CANARY = "sk-canary-files-0123456789"


@pytest.fixture(autouse=True)
def careless_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def service(tmp_path: Path) -> Place:
    """A machine with the unit."""
    return Place(
        kind="system",
        config_file=tmp_path / "etc/lodestard/lodestard.toml",
        root=tmp_path,
        unit=True,
        store="encrypted",
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_is_its_owner_s_alone_from_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(os.fstat(descriptor).st_mode & 0o777))
    place = Place(kind="user", config_file=tmp_path / "a/lodestard.toml")
    stored = store_key(place, "openai", Secret(CANARY))
    assert stored.path == tmp_path / "a/keys/openai"
    assert stored.path.read_text().strip() == CANARY
    assert (mode(stored.path), mode(stored.path.parent), seen[0]) == (0o600, 0o700, 0o600)


def test_a_write_that_is_stopped_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.toml"
    write_whole(path, b"old")

    def stop(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("x.toml", b"old")]


def test_a_link_is_replaced_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "x.toml").symlink_to(tmp_path / "precious")
    write_whole(tmp_path / "x.toml", b"new")
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "x.toml").read_text() == "new"


def test_the_one_before_is_kept_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "20-setup.toml"
    assert keep_backup(path) is None
    write_whole(path, b"first")
    assert keep_backup(path) == tmp_path / "20-setup.toml.bak"
    assert (tmp_path / "20-setup.toml.bak").read_bytes() == b"first"


FAKE_CREDS = """#!/bin/sh
echo "$@" > {folder}/argv
env > {folder}/environment
printf 'sealed:'
cat
"""


def test_systemd_seals_it_under_the_credential_s_name_and_gets_it_by_standard_input(
    service: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin/systemd-creds"
    program.parent.mkdir()
    program.write_text(FAKE_CREDS.format(folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    service.plain_folder.mkdir(parents=True)
    (service.plain_folder / "lodestard.openai").write_text("old and plain")
    stored = store_key(service, "openai", Secret(CANARY))
    assert stored.path == service.encrypted_folder / "lodestard.openai"
    assert stored.path.read_text() == f"sealed:{CANARY}"
    assert mode(stored.path) == 0o600
    assert not list(service.plain_folder.iterdir())
    assert (tmp_path / "argv").read_text().split() == ["encrypt", "--name=openai", "-", "-"]
    assert CANARY not in (tmp_path / "environment").read_text()


def test_where_systemd_can_t_seal_it_is_root_s_file_and_that_is_said(
    service: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_name: str, _key: Secret) -> bytes:
        raise FileNotFoundError(2, "No such file", "systemd-creds")

    monkeypatch.setattr(store, "encrypt", fail)
    stored = store_key(service, "xai", Secret(CANARY))
    assert stored.path == service.plain_folder / "lodestard.xai"
    assert "can't encrypt here" in stored.note
    assert mode(stored.path) == 0o600


def test_the_unit_s_drop_in_follows_what_is_there(service: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "encrypt", lambda name, key: b"sealed")
    assert not write_unit_drop_in(service)
    store_key(service, "openai", Secret(CANARY))
    assert write_unit_drop_in(service)
    assert "LoadCredentialEncrypted=openai:lodestard.openai" in service.unit_drop_in.read_text()
    assert not write_unit_drop_in(service)
    assert remove_key(service, "openai") == [service.encrypted_folder / "lodestard.openai"]
    assert write_unit_drop_in(service)
    assert not service.unit_drop_in.exists()
