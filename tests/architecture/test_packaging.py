"""What the units promise fits what the program does."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lodestard.config.paths import run_dir
from lodestard.domain.settings import Limits, Server
from lodestard.systemd import EXIT_CONFIG
from tests.architecture.house import ROOT

UNITS = ROOT / "packaging/systemd"
SOCKETS_PER_REQUEST = 2
NO_CREDENTIALS = "243"
"""systemd.exec(5), "process exit codes"."""


def options(unit: str) -> dict[str, list[str]]:
    """Every option of a unit file with all its values, in order."""
    found: dict[str, list[str]] = {}
    for line in (UNITS / unit).read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_a_stop_waits_longer_than_the_longest_drain() -> None:
    (stop_s,) = options("lodestard.service")["TimeoutStopSec"]
    assert int(stop_s) > Server().drain_s


def test_there_are_file_descriptors_for_every_connection() -> None:
    (most_files,) = options("lodestard.service")["LimitNOFILE"]
    assert int(most_files) > SOCKETS_PER_REQUEST * Limits().connections


def test_a_wrong_configuration_is_not_started_again() -> None:
    service = options("lodestard.service")
    (statuses,) = service["RestartPreventExitStatus"]
    assert statuses.split() == [str(EXIT_CONFIG), NO_CREDENTIALS]
    assert f"in {EXIT_CONFIG}|{NO_CREDENTIALS})" in service["ExecStopPost"][0]


def test_debian_12_knows_the_units_type() -> None:
    service = options("lodestard.service")
    assert service["Type"] == ["notify"]
    assert service["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


def test_the_figures_for_prompts_have_a_folder_that_the_group_may_enter() -> None:
    service = options("lodestard.service")
    (socket,) = options("lodestard-control.socket")["ListenStream"]
    assert run_dir(Path(socket)) == Path("/run") / service["RuntimeDirectory"][0]
    assert service["RuntimeDirectoryMode"] == ["0750"]
    assert service["Group"] == options("lodestard-control.socket")["SocketGroup"]
    assert "RuntimeDirectoryPreserve" not in service  # what a stopped daemon had spent is no news


def test_every_credential_of_the_example_is_loaded() -> None:
    settings = tomllib.loads((ROOT / "config/lodestard.toml").read_text())
    asked = {upstream["key"]["credential"] for upstream in settings["upstreams"].values() if "key" in upstream}
    loaded = {line.partition(":")[0] for line in options("lodestard.service")["LoadCredential"]}
    assert asked
    assert asked <= loaded


@pytest.mark.parametrize(
    ("unit", "name", "address"),
    [
        ("lodestard.socket", "proxy", Server().listen[0]),
        ("lodestard-control.socket", "control", "/run/lodestard.sock"),
    ],
)
def test_the_socket_units_listen_where_the_daemon_would(unit: str, name: str, address: str) -> None:
    socket = options(unit)
    assert socket["FileDescriptorName"] == [name]
    assert socket["ListenStream"][0] == address
    assert socket["ListenStream"][1:] == (["[::1]:4000"] if name == "proxy" else [])
    assert socket["Service"] == ["lodestard.service"]


def test_the_ctl_s_script_imports_nothing_that_costs_a_prompt_time() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    (source,) = wheel["shared-scripts"]
    script = ROOT / source
    assert wheel["shared-scripts"][source] == "lodestarctl"
    assert os.access(script, os.X_OK)
    imports = [line for line in script.read_text().splitlines() if line.startswith(("import ", "from "))]
    assert imports == ["import sys", "from lodestarctl.__main__ import main"]
    done = subprocess.run(
        [sys.executable, script, "--version"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    assert done.stdout.startswith(b"lodestarctl ")
