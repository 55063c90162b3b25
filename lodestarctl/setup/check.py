"""Has ``lodestard --check`` judge a configuration that is not in place yet.

Law: the copy is in a folder that only this user can open, and is gone afterwards.
"""

import subprocess
import tempfile
from pathlib import Path

from lodestarctl.offline import find_lodestard
from lodestarctl.setup.place import Place
from lodestard.control.client import ControlError, read_data, read_envelope
from lodestard.control.messages import ConfigProblem, ConfigReport

CHECK_S = 60.0


def faults_with(place: Place, main: str | None, drop_in: str) -> list[str]:
    """What is wrong with the files as they would be; empty where nothing is. ``main`` is a main file that is new."""
    with tempfile.TemporaryDirectory(prefix="lodestar-setup-") as name:
        folder = Path(name)
        copy = folder / place.config_file.name
        copy.write_bytes(place.config_file.read_bytes() if main is None else main.encode())
        (folder / "conf.d").mkdir()
        for file in sorted(place.drop_in.parent.glob("*.toml")):
            if not file.name.startswith("."):
                (folder / "conf.d" / file.name).write_bytes(file.read_bytes())
        (folder / "conf.d" / place.drop_in.name).write_text(drop_in)
        report = _check(copy)
        return [_line(fault, name, str(place.config_file.parent)) for fault in report.faults]


def _check(config: Path) -> ConfigReport:
    done = subprocess.run(  # noqa: S603 - our own program, words without a shell
        [*find_lodestard(), "--config", str(config), "--check", "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=CHECK_S,
    )
    try:
        return read_data(read_envelope(done.stdout.strip()), ConfigReport)
    except ControlError:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        message = said[-1] if said else f"lodestard --check ended with {done.returncode}"
        return ConfigReport(ok=False, faults=(ConfigProblem(message=message),))


def _line(fault: ConfigProblem, copied: str, real: str) -> str:
    file = fault.file.replace(copied, real)
    place = f"{file}:{fault.line}" if fault.line else file
    return "".join(f"{part}: " for part in (place, fault.key) if part) + fault.message.replace(copied, real)
