"""Writes every manual page: ``python packaging/manuals --out DIR``.

Law: the pages are made from what ``--help`` and the documentation are made from, and from nothing that differs
between two runs: their date is SOURCE_DATE_EPOCH, otherwise that of the latest release in CHANGELOG.md or of the
latest commit.
"""

import argparse
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
RELEASE = re.compile(r"^## \[[^\]]+\] - (\d{4}-\d\d-\d\d)$", re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(prog="manuals", description="Write the manual pages.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets man1, man5 and man8")
    out = parser.parse_args().out
    sys.path.insert(0, str(ROOT))
    from command_pages import write_pages
    from daemon_pages import write_configuration, write_daemon

    pages = {(name, 1): body for name, body in write_pages().items()}
    pages["lodestard.toml", 5] = list(write_configuration())
    pages["lodestard", 8] = list(write_daemon())
    for (name, section), body in pages.items():
        _write(out, name, section, body)


def _write(out: Path, name: str, section: int, body: list[str]) -> None:
    from roff import page

    from lodestard import __version__

    folder = out / f"man{section}"
    folder.mkdir(parents=True, exist_ok=True)
    text = page(name, section, date=_date(), source=f"Lodestar {__version__}", body=body)
    (folder / f"{name}.{section}").write_text(text, "utf-8")


def _date() -> str:
    return f"{datetime.fromtimestamp(_epoch_s(), UTC):%Y-%m-%d}"


def _epoch_s() -> int:
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    if release := RELEASE.search((ROOT / "CHANGELOG.md").read_text("utf-8")):
        return int(datetime.fromisoformat(f"{release[1]}T00:00:00+00:00").timestamp())
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - git, without a shell
    if done.returncode:
        sys.exit("manuals: of which day? Set SOURCE_DATE_EPOCH, or run it in a checkout")
    return int(done.stdout)


if __name__ == "__main__":
    main()
