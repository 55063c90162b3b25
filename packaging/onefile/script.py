"""The program inside what was unpacked. Its first argument is the file that it was unpacked from.

Law: a daemon that begins anew runs what is installed by now, so a file that has changed is started instead of this.
"""

import fcntl
import os
import sys

STATE = b"State: @DIGEST@"
HEAD_BYTES = 512


def main():
    onefile = sys.argv.pop(1)
    sys.argv[0] = onefile
    try:
        with open(onefile, "rb") as file:
            changed = STATE not in file.read(HEAD_BYTES)
    except OSError:
        changed = False  # it was removed: this goes on without it
    if changed:
        os.execv(onefile, [onefile, *sys.argv[1:]])
    hold(os.path.join(sys.prefix, ".in-use"))
    if sys.argv[1:2] == ["-m"]:  # for the ctl, whose own file has no database
        import runpy

        del sys.argv[:2]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        return 0
    return __import__("@NAME@.__main__", fromlist=["main"]).main()


def hold(path):
    """What is in use is not tidied away: a lock that ends with the process, and the time."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(fd, fcntl.LOCK_SH)
        os.utime(fd)
    except OSError:
        pass


if __name__ == "__main__":
    sys.exit(main())
