"""Compiles every module below a folder: ``compile.py FOLDER``. In a fresh interpreter, so that its bytes repeat."""

import py_compile
import sys
from importlib.util import cache_from_source
from pathlib import Path

TRUSTED = py_compile.PycInvalidationMode.UNCHECKED_HASH

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for path in sorted(folder.rglob("*.py")):
        shown = str(path.relative_to(folder))
        py_compile.compile(
            str(path), cache_from_source(str(path)), dfile=shown, doraise=False, invalidation_mode=TRUSTED, quiet=2
        )
