"""``lodestarctl setup`` on a real Debian 12: keys that systemd seals, a unit that finds them, a service that starts.

The tests run in order, over one boot: set up, again, as somebody else, another key, none.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.systemd.debian import Debian, boot, debian_tree, missing_tools
from tests.systemd.product import ROOT, layout, missing_python, product_venv

pytestmark = pytest.mark.systemd

CTL = "/opt/lodestard/bin/lodestarctl"
CANARY = "sk-canary-systemd-0123456789"
OTHER = "sk-canary-plain-0123456789"
CREDENTIAL = "/run/credentials/lodestard.service/openai"
DROP_IN = "/etc/systemd/system/lodestard.service.d/50-lodestarctl-setup.conf"
SIMULATOR_UNIT = """\
[Service]
ExecStart=/opt/lodestard/bin/python3 -m lodestard.simulator --ollama-port 11434 --profile instant
DynamicUser=yes
"""


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    if why := missing_tools() or missing_python():
        pytest.skip(f"NOT RUN, the systemd test of setup: {why}")
    folder = tmp_path_factory.mktemp("debian")
    files = {
        "simulator.service": ("/etc/systemd/system/simulator.service", SIMULATOR_UNIT),
        "key": ("/opt/key", CANARY),
        "other": ("/opt/other", OTHER),
        "lodestard.toml": ("/etc/lodestard/lodestard.toml", (ROOT / "config/lodestard.toml").read_text()),
    }
    binds = layout(product_venv(folder))
    for name, (inside, text) in files.items():
        (folder / name).write_text(text)
        binds[folder / name] = inside
    with boot(debian_tree(), binds, folder / "console.txt") as booted:
        booted.run("systemd-sysusers")
        booted.run("systemd-tmpfiles", "--create", "lodestard.conf")
        booted.run("systemctl", "start", "simulator.service")
        yield booted


def setup(debian: Debian, *words: str) -> Any:
    """What a run says as JSON; it must succeed."""
    done = debian.ask(CTL, "setup", "--yes", "--json", *words, timeout_s=120)
    journal = debian.ask("journalctl", "--no-pager", "--lines=40").stdout
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{journal}"
    assert CANARY not in done.stdout + done.stderr
    return json.loads(done.stdout)["data"]


def test_a_key_is_sealed_and_the_service_starts_with_it(debian: Debian) -> None:
    data = setup(debian, "--key", "openai=file:/opt/key")
    assert data["running"]
    assert data["request"]["model"].startswith("t600/")
    assert data["request"]["error"] == ""
    assert debian.run("cat", CREDENTIAL).strip() == CANARY
    assert debian.run("stat", "--format=%U %a", "/etc/credstore.encrypted/lodestard.openai").strip() == "root 600"
    assert debian.run("systemctl", "is-enabled", "lodestard.service").strip() == "enabled"
    assert "LoadCredentialEncrypted=openai:lodestard.openai" in debian.run("cat", DROP_IN)
    found = debian.ask("grep", "--recursive", "--files-with-matches", CANARY, "/etc", "/var", "/usr/local")
    assert found.stdout == ""


def test_a_second_run_changes_nothing(debian: Debian) -> None:
    pid = debian.run("systemctl", "show", "--value", "--property=MainPID", "lodestard.service")
    assert setup(debian, "--no-test")["done"] == []
    assert debian.run("systemctl", "show", "--value", "--property=MainPID", "lodestard.service") == pid
    checked = debian.ask(CTL, "setup", "--check")
    assert checked.returncode == 0, checked.stdout


def test_who_is_not_root_is_told_with_what_command(debian: Debian) -> None:
    debian.run("useradd", "--groups=lodestar", "member")
    told = debian.ask("su", "member", "--shell=/bin/sh", f"--command={CTL} setup --yes --budget 5")
    assert told.returncode == 4, told.stderr
    assert "sudo lodestarctl setup" in told.stderr


def test_a_plain_key_takes_the_place_of_the_sealed_one(debian: Debian) -> None:
    setup(debian, "--no-encrypt", "--replace", "--key", "openai=file:/opt/other", "--budget", "5", "--no-test")
    assert debian.run("cat", CREDENTIAL).strip() == OTHER
    assert debian.ask("ls", "/etc/credstore.encrypted/lodestard.openai").returncode != 0
    assert debian.run("stat", "--format=%U %a", "/etc/credstore/lodestard.openai").strip() == "root 600"
    assert debian.ask("ls", DROP_IN).returncode != 0
    assert debian.run("stat", "--format=%U:%G", "/etc/lodestard/conf.d").strip() == "lodestar:lodestar"


def test_a_key_that_is_removed_is_gone_and_the_rest_works(debian: Debian) -> None:
    data = setup(debian, "--remove-key", "openai")
    assert data["request"]["error"] == ""
    assert debian.ask("ls", CREDENTIAL).returncode != 0
    assert CANARY not in debian.run("journalctl", "--output=json", "--no-pager")
