"""A small file that survives: whole or not at all, and never worse than empty."""

import errno
import logging
import os
from pathlib import Path
from unittest.mock import patch

import pytest
import trio
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.host_ports import Keepsake
from lodestard.store import FileKeepsake, run_inline
from lodestard.store.keepsake import MOST_BYTES

LEARNED = b'{"llama3.1:8b":[1,2,3]}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "residency.keepsake"


def load(path: Path) -> bytes:
    return trio.run(FileKeepsake(path, run=run_inline).load)


def save(path: Path, data: bytes = LEARNED) -> bytes:
    """The whole file, after it."""
    trio.run(FileKeepsake(path, run=run_inline).save, data)
    return path.read_bytes()


def names(path: Path) -> list[str]:
    """What lies beside it, itself included."""
    return [file.name for file in path.parent.iterdir()]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("inline", [True, False])
async def test_what_was_saved_is_there_again(path: Path, inline: bool, caplog: pytest.LogCaptureFixture) -> None:
    keepsake: Keepsake = FileKeepsake(path, run=run_inline) if inline else FileKeepsake(path)
    assert await keepsake.load() == b""
    for data in (LEARNED, b"", b"\x00\n" * 5000, LEARNED):
        await keepsake.save(data)
        assert await FileKeepsake(path, run=run_inline).load() == data
    assert warnings(caplog) == []
    assert names(path) == [path.name]


def test_it_is_for_its_owner_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        save(path, LEARNED)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    save(path, LEARNED)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[:-1],
        lambda whole: whole[:40],
        lambda whole: b"",
        lambda whole: whole + b" ",
        lambda whole: whole.replace(b"1,2", b"1,3"),
        lambda whole: b"x" + whole[1:],
        lambda whole: LEARNED,
        lambda whole: bytes(len(whole)),
        lambda whole: whole + bytes(MOST_BYTES),
    ],
)
def test_a_damaged_one_is_an_empty_one(path: Path, damage: object, caplog: pytest.LogCaptureFixture) -> None:
    whole = save(path)
    path.write_bytes(damage(whole))  # type: ignore[operator]
    assert load(path) == b""
    assert len(warnings(caplog)) == 1
    assert str(path) in warnings(caplog)[0]
    save(path, LEARNED)
    assert path.read_bytes() == whole


def test_one_that_is_no_file_is_an_empty_one(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.mkdir(parents=True)
    assert load(path) == b""
    assert len(warnings(caplog)) == 1
    with pytest.raises(HouseFault) as caught:
        save(path, LEARNED)
    assert caught.value.code is Code.STORE_UNAVAILABLE


def test_an_endless_one_is_not_read_to_its_end(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.symlink_to("/dev/zero")
    assert load(path) == b""
    path.unlink()
    os.mkfifo(path)
    assert load(path) == b""
    assert len(warnings(caplog)) == 2


@pytest.mark.parametrize("step", ["os.fsync", "os.open", "pathlib.Path.replace"])
def test_a_save_that_fails_keeps_what_was_there(path: Path, step: str) -> None:
    whole = save(path)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with patch(step, side_effect=full), pytest.raises(HouseFault, match="the disk is full") as caught:
        save(path, b"new")
    assert caught.value.code is Code.STORE_UNAVAILABLE
    assert path.read_bytes() == whole
    save(path, b"new")
    assert load(path) == b"new"


def test_what_an_earlier_try_left_is_not_written_into(path: Path) -> None:
    save(path)
    precious = path.with_name("precious")
    precious.write_bytes(b"mine")
    path.with_name(path.name + ".part").symlink_to(precious)
    save(path, b"new")
    assert precious.read_bytes() == b"mine"
    assert load(path) == b"new"


def test_too_much_is_refused(path: Path) -> None:
    whole = save(path)
    save(path, bytes(MOST_BYTES))
    assert load(path) == bytes(MOST_BYTES)
    with pytest.raises(HouseFault) as caught:
        save(path, bytes(MOST_BYTES + 1))
    assert caught.value.code is Code.STORE_UNAVAILABLE
    assert path.read_bytes() != whole


def test_a_folder_that_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state").write_bytes(b"")
    path = tmp_path / "state" / "x"
    with pytest.raises(HouseFault) as caught:
        save(path)
    assert caught.value.code is Code.STORE_UNAVAILABLE
    assert load(path) == b""
    assert len(warnings(caplog)) == 1


async def test_cancelled_it_is_saved_all_the_same(path: Path) -> None:
    keepsake = FileKeepsake(path)
    await keepsake.save(b"old")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keepsake.save, LEARNED)
        await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert await keepsake.load() in (b"old", LEARNED)
    assert names(path) == [path.name]


async def test_two_owners_at_once_leave_one_of_theirs(path: Path) -> None:
    texts = [bytes([number]) * 100_000 for number in range(8)]
    async with trio.open_nursery() as nursery:
        for text in texts:
            nursery.start_soon(FileKeepsake(path).save, text)
    assert await FileKeepsake(path).load() in texts
    assert names(path) == [path.name]


@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300), at=st.integers(0, 400), byte=st.integers(0, 255))
def test_one_wrong_byte_is_noticed(tmp_path: Path, data: bytes, at: int, byte: int) -> None:
    path = tmp_path / "one"

    whole = bytearray(save(path, data))
    changed = at < len(whole) and whole[at] != byte
    if changed:
        whole[at] = byte
        path.write_bytes(whole)
    assert load(path) == (b"" if changed else data)
