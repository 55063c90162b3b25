"""Runs where nothing is unpacked yet: lays the archive out as a virtual environment and starts the program in it.

Law: a folder appears under its name whole or not at all, so two first starts at once do not meet. Nothing is started
from a folder that others may write to. What older files unpacked goes, unless somebody runs it or did so of late.
The standard library alone, and it must not fail with a traceback.
"""

import fcntl
import os
import shutil
import stat
import sys
import tarfile
import tempfile
import time
import zipfile

NAME, STATE, VERSION, MACHINE = "@NAME@", "@DIGEST@", "@PYTHON@", "@MACHINE@"
EXIT_CONFIG, HEAD_BYTES = 78, 512
FILTER = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}  # Debian 12's Python knows no filters
KEEP_S = 86_400.0
IN_USE = ".in-use"


def main() -> None:
    onefile = os.path.abspath(sys.argv[0])
    if os.uname().machine != MACHINE:
        fail(f"this file is made for {MACHINE}, and this machine is {os.uname().machine}")
    with open(onefile, "rb") as file:
        if f"State: {STATE}".encode() not in file.read(HEAD_BYTES):
            fail("this file is damaged: its parts do not belong together")
    why = []
    for place in places(os.environ, os.geteuid()):
        try:
            folder = unpack(onefile, place)
        except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
            why.append(f"{place}: {getattr(error, 'strerror', None) or error}")
            continue
        python = os.path.join(folder, "bin/python3")
        os.execv(python, [python, "-I", os.path.join(folder, "bin", NAME), onefile, *sys.argv[1:]])
    fail("no folder to unpack in; name one with LODESTAR_ONEFILE_DIR (tried " + "; ".join(why) + ")")


def places(environ, uid):
    """Where it may be unpacked, the best first: the same as in the script above the archive."""
    named = environ.get("LODESTAR_ONEFILE_DIR")
    if named:
        return [named]
    below = [("XDG_CACHE_HOME", ""), ("HOME", ".cache"), ("XDG_RUNTIME_DIR", ""), ("STATE_DIRECTORY", "")]
    given = [os.path.join(environ[name], sub, "lodestard-onefile") for name, sub in below if environ.get(name)]
    return [*given, f"/var/tmp/lodestard-onefile-{uid}", f"/tmp/lodestard-onefile-{uid}"]


def unpack(onefile, place):
    """The folder that the archive is in now. Raises ``OSError`` where it can't be below ``place``."""
    folder = os.path.join(place, STATE)
    os.makedirs(place, mode=0o700, exist_ok=True)
    require_ours(place)
    if usable(folder):
        return folder
    fresh = tempfile.mkdtemp(prefix=".unpacking-", dir=place)
    try:
        lay_out(onefile, fresh)
        if not usable(folder):
            shutil.rmtree(folder, ignore_errors=True)  # its interpreter has gone
        try:
            os.rename(fresh, folder)
        except OSError:
            if not usable(folder):  # otherwise another first start was quicker
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    tidy(place)
    return folder


def require_ours(place):
    seen = os.lstat(place)
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.geteuid() or seen.st_mode & 0o022:
        raise OSError("not a folder that you alone may write to")
    if os.statvfs(place).f_flag & os.ST_NOEXEC:
        raise OSError("no programs may run there (noexec)")


def usable(folder):
    return os.access(os.path.join(folder, "bin/python3"), os.X_OK)


def lay_out(onefile, fresh):
    """A virtual environment of the interpreter that runs this."""
    with zipfile.ZipFile(onefile) as archive:
        for name in archive.namelist():
            if name.endswith(".tar.xz"):
                with archive.open(name) as packed, tarfile.open(fileobj=packed, mode="r|xz") as payload:
                    payload.extractall(fresh, **FILTER)
    python = os.path.realpath(sys.executable)
    os.symlink(python, os.path.join(fresh, "bin/python3"))
    config = f"home = {os.path.dirname(python)}\ninclude-system-site-packages = false\n"
    for name, text in (("pyvenv.cfg", config), (IN_USE, "")):
        with open(os.path.join(fresh, name), "x") as file:
            file.write(text)


def tidy(place):
    """Remove what was unpacked by other files and is not in use."""
    for name in os.listdir(place):
        folder = os.path.join(place, name)
        if name == STATE:
            continue
        try:
            if time.time() - os.stat(os.path.join(folder, IN_USE)).st_mtime < KEEP_S:
                continue
            with open(os.path.join(folder, IN_USE)) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue


def fail(reason):
    sys.stderr.write(f"{NAME}: {reason}\n")
    sys.exit(EXIT_CONFIG)


if __name__ == "__main__":
    main()
