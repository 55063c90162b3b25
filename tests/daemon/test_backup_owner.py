"""A restore as root leaves everything to whoever the state folder belongs to."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.daemon.test_backup import backup, restore
from tests.fakes.process import MakeDaemon

pytestmark = [pytest.mark.daemon, pytest.mark.skipif(os.geteuid() != 0, reason="only root can restore for others")]

NOBODY = 65_534


def test_files_belong_to_the_folders_owner(make_daemon: MakeDaemon, tmp_path_factory: pytest.TempPathFactory) -> None:
    daemon = make_daemon()
    daemon.state_dir.mkdir(mode=0o700)
    daemon.start()
    assert daemon.ask("paid").status == 200
    made = backup(daemon)
    assert daemon.stop() == 0
    file = Path(shutil.copy(made["backup"]["file"], daemon.folder / "b.tar.zst"))
    for path in (daemon.state_dir, *daemon.state_dir.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    for folder in (daemon.folder, *daemon.folder.parents):
        if folder.is_relative_to(tmp_path_factory.getbasetemp().parent):
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    done = restore(daemon, str(file))
    assert done["plan"]["forgotten"] == 0
    for path in (daemon.state_dir, *daemon.state_dir.rglob("*")):
        status = path.stat()
        assert (status.st_uid, status.st_gid) == (NOBODY, NOBODY), path
        assert not status.st_mode & 0o077, path
