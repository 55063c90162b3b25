"""/opt/lodestard: a virtual environment of Debian's Python with Lodestar in it. Its libraries come later.

Its commands are written here: the script that pip writes for an entry point costs a prompt's `lodestarctl statusline`
half as much again as Python's whole start.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from settled import MODULES_PLACE, PYTHON

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "opt/lodestard"
MODULES = MODULES_PLACE.lstrip("/")
SHEBANG = f"#!/{PREFIX}/bin/python3 -P\n"
CONFIG = "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11\n"

DAEMON = """\
import sys

from lodestard.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
"""


def lay_out(tree: Path) -> None:
    """All but the libraries and the bytecode."""
    modules, commands = tree / MODULES, tree / PREFIX / "bin"
    modules.mkdir(parents=True)
    unpack_ourselves(modules)
    (tree / PREFIX / "pyvenv.cfg").write_text(CONFIG)
    commands.mkdir()
    (commands / "python3").symlink_to(PYTHON)
    _, _, ctl = (ROOT / "packaging/scripts/lodestarctl").read_text().partition("\n")
    for name, text in {"lodestard": DAEMON, "lodestarctl": ctl}.items():
        (commands / name).write_text(SHEBANG + text)
        (commands / name).chmod(0o755)


def unpack_ourselves(modules: Path) -> None:
    """Our wheel without its commands and its RECORD."""
    with tempfile.TemporaryDirectory() as folder:
        build = (sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder)
        subprocess.run(build, stdout=subprocess.DEVNULL, check=True, cwd=ROOT)
        (wheel,) = Path(folder).glob("lodestard-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if ".data/" not in name and not name.endswith("/RECORD")]
            archive.extractall(modules, names)
