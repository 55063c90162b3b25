"""A restore as root leaves everything to whoever the state folder belongs to."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.test_backup import backup, restore
from tests.fakes.process import MakeDaemon

pytestmark = [pytest.mark.daemon, pytest.mark.skipif(os.geteuid() != 0, reason="only root can restore for others")]

NOBODY = 65_534


@pytest.fixture
def passable() -> Iterator[Path]:
    """A folder that others may pass through; pytest's own it closes to them whenever another run begins."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def test_files_belong_to_the_folders_owner(passable: Path, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(folder=passable)
    daemon.state_dir.mkdir(mode=0o700)
    daemon.start()
    assert daemon.ask("paid").status == 200
    made = backup(daemon)
    assert daemon.stop() == 0
    file = Path(shutil.copy(made["backup"]["file"], daemon.folder / "b.tar.zst"))
    for path in (daemon.state_dir, *daemon.state_dir.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    done = restore(daemon, str(file))
    assert done["plan"]["forgotten"] == 0
    for path in (daemon.state_dir, *daemon.state_dir.rglob("*")):
        status = path.stat()
        assert (status.st_uid, status.st_gid) == (NOBODY, NOBODY), path
        assert not status.st_mode & 0o077, path
