"""The package on a bare Debian 12: installed, looked at, upgraded under load, downgraded, rebooted, removed, purged.

The tests run in order, over one boot.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.debian import missing_tools
from tests.systemd.installed import BUMPED, Installing, installing, next_package
from tests.systemd.load import Crowd, load
from tests.systemd.product import missing_python, package
from tests.systemd.service import CONFIG, KEY, KEY_FILE, SOCKETS, UNIT, ctl, messages, shown

pytestmark = pytest.mark.systemd

UNITS = (UNIT, *SOCKETS)
DROP_IN = "/etc/lodestard/conf.d/50-paced.toml"
SETUP_DROP_IN = "/etc/systemd/system/lodestard.service.d/50-lodestarctl-setup.conf"
READY_S = 5 * 2.0  # five times what is wanted: other processes want the processor too
STOP = "/tmp/stop"

SIMULATOR_UNIT = """\
[Service]
ExecStart=/opt/lodestard/bin/python3 -m lodestard.simulator --profile instant --ollama-port 11434 --openai-port 9001
DynamicUser=yes
"""
PACED = """\
[upstreams.paced]
dialect = "openai"
url = "http://127.0.0.1:9001/v1"
key = { credential = "openai" }
headers = { x-sim-fault = "dribble=1000" }

[models.paced]
route = ["paced/gpt-4o-mini"]

[prices."paced/gpt-4o-mini"]
input = 0.15
output = 0.6
max_output_tokens = 16384
"""
MARK = "# the administrator was here\n"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installing]:
    if why := missing_tools() or missing_python():
        pytest.skip(f"NOT RUN, the package's tests: {why}")
    with installing(tmp_path_factory.mktemp("machine") / "console.txt") as booted:
        booted.bare = booted.files()
        yield booted


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return next_package(tmp_path_factory.mktemp("next"))


def version(machine: Installing) -> str:
    """The one that runs, by its own word."""
    return str(ctl(machine.debian, "status")["version"])


def states(machine: Installing) -> set[str]:
    return {shown(machine.debian, "ActiveState", unit) for unit in UNITS}


def test_it_installs_on_a_bare_debian_and_runs(machine: Installing) -> None:
    said = machine.apt("install", machine.take_in(package()))
    print(said)  # noqa: T201
    assert "usermod -aG lodestar YOU" in said
    assert states(machine) == {"active"}
    started_us, ready_us = (
        int(shown(machine.debian, f"{name}TimestampMonotonic")) for name in ("ExecMainStart", "ActiveEnter")
    )
    assert (ready_us - started_us) / 1e6 <= READY_S
    assert {machine.debian.run("systemctl", "is-enabled", unit).strip() for unit in UNITS} == {"enabled"}


def test_the_first_words_say_what_to_set_next(machine: Installing) -> None:
    told = machine.debian.run("lodestarctl", "status")
    assert "ready" in told
    assert "lodestarctl doctor says more" in told
    done = machine.debian.ask("lodestarctl", "doctor")
    print(done.stdout)  # noqa: T201
    told = " ".join(done.stdout.split())
    assert "Is Ollama running there" in told
    for name in ("anthropic", "openai", "xai", "gemini"):
        assert f"/etc/credstore/lodestard.{name}" in told


def test_what_is_installed_is_whole(machine: Installing) -> None:
    assert machine.debian.run("dpkg", "--verify", "lodestard") == ""
    for script in ("/usr/share/bash-completion/completions/lodestarctl",):
        machine.debian.run("bash", "-c", f"source {script} && complete -p lodestarctl")
    files = machine.debian.run("dpkg-query", "--listfiles", "lodestard").splitlines()
    for shells in ("zsh/vendor-completions/_lodestarctl", "fish/vendor_completions.d/lodestarctl.fish"):
        assert f"/usr/share/{shells}" in files
    assert not machine.debian.run("find", "/opt/lodestard", "-newer", "/etc/lodestard/conf.d")


def test_an_upgrade_under_load_loses_nothing(machine: Installing, newer: Path) -> None:
    debian = machine.debian
    machine.debian.write("/etc/systemd/system/simulator.service", SIMULATOR_UNIT)
    machine.debian.write(KEY_FILE, KEY, mode=0o600)
    machine.debian.write(DROP_IN, PACED)
    machine.debian.write(CONFIG, MARK + debian.run("cat", CONFIG))
    debian.run("systemctl", "start", "simulator.service")
    debian.run("lodestarctl", "restart")
    was, listening = version(machine), shown(machine.debian, "ActiveEnterTimestampMonotonic", "lodestard.socket")
    with load(debian, Crowd(STOP, streamed="paced", stream_tokens=4)) as seen:
        debian.wait_until(lambda: ctl(machine.debian, "status")["exchanges"] > 0, "the load")
        said = machine.apt("install", machine.take_in(newer))
    print(f"upgrade: {seen}, {gap_s(machine):.1f} s from the first new file to the restart")  # noqa: T201
    assert (was, version(machine)) == ("0.1.0", BUMPED), said
    assert seen.failed == []
    assert seen.broken == []
    assert seen.answered > 20
    assert seen.streamed >= 1
    assert shown(machine.debian, "ActiveEnterTimestampMonotonic", "lodestard.socket") == listening
    assert debian.run("head", "--lines=1", CONFIG) == MARK
    assert "the next version" in debian.run("cat", f"{CONFIG}.dpkg-dist")
    assert debian.run("cat", DROP_IN) == PACED
    assert "usermod" not in said


def gap_s(machine: Installing) -> float:
    """How long an old process can meet new files: from their unpacking to its end."""
    unpacked = float(machine.debian.run("stat", "--format=%.Z", "/opt/lodestard/pyvenv.cfg"))
    pid = shown(machine.debian, "MainPID")
    started = float(machine.debian.run("stat", "--format=%.Z", f"/proc/{pid}"))
    return started - unpacked


def test_a_wrong_configuration_leaves_the_old_one_running(machine: Installing) -> None:
    pid = shown(machine.debian, "MainPID")
    machine.debian.write("/etc/lodestard/conf.d/99-wrong.toml", "[server]\nlisten = 5\n")
    said = machine.apt("install", "--reinstall", f"/root/{package_name(BUMPED)}")
    machine.debian.run("rm", "/etc/lodestard/conf.d/99-wrong.toml")
    assert "99-wrong.toml" in said
    assert "goes on" in said
    assert shown(machine.debian, "MainPID") == pid
    assert version(machine) == BUMPED


def package_name(of_version: str) -> str:
    return f"lodestard_{of_version}_amd64.deb"


def test_a_downgrade_works(machine: Installing) -> None:
    machine.apt("install", "--allow-downgrades", f"/root/{package_name('0.1.0')}")
    assert version(machine) == "0.1.0"
    assert states(machine) == {"active"}


def test_sockets_whose_units_have_changed_are_opened_anew(machine: Installing) -> None:
    debian = machine.debian
    unit = "/usr/lib/systemd/system/lodestard.socket"
    debian.run("sed", "--in-place", "s/^Backlog=.*/Backlog=16/", unit)  # as an older package had it
    was = shown(debian, "ActiveEnterTimestampMonotonic", "lodestard.socket")
    pid = shown(debian, "MainPID")
    debian.write("/etc/lodestard/conf.d/99-bad.toml", "nonsense = 1\n")
    said = machine.apt("install", "--reinstall", f"/root/{package_name('0.1.0')}")
    assert "nonsense" in said and "goes on" in said
    assert (states(machine), shown(debian, "MainPID")) == ({"active"}, pid)
    debian.run("rm", "/etc/lodestard/conf.d/99-bad.toml")
    debian.run("sed", "--in-place", "s/^Backlog=.*/Backlog=16/", unit)
    machine.apt("install", "--reinstall", f"/root/{package_name('0.1.0')}")
    assert states(machine) == {"active"}
    assert shown(debian, "MainPID") != pid
    drains = [text for text in messages(debian) if text.startswith("draining: ")]
    assert drains[-1].endswith("at most 20 s"), "a restart's, not a stop's"
    assert shown(debian, "ActiveEnterTimestampMonotonic", "lodestard.socket") != was
    assert shown(debian, "Backlog", "lodestard.socket") == "4096"
    assert debian.ask("test", "-e", "/run/lodestard.sockets-were").returncode == 1


def test_what_an_administrator_switched_off_stays_off(machine: Installing) -> None:
    machine.debian.run("systemctl", "disable", "--now", *UNITS)
    machine.apt("install", f"/root/{package_name(BUMPED)}")
    assert states(machine) == {"inactive"}
    enabled = {machine.debian.ask("systemctl", "is-enabled", unit).stdout.strip() for unit in UNITS}
    assert enabled == {"disabled"}
    machine.debian.run("systemctl", "enable", "--now", *UNITS)
    assert states(machine) == {"active"}


def test_policy_forbids_the_restart(machine: Installing) -> None:
    pid = shown(machine.debian, "MainPID")
    machine.debian.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", mode=0o755)
    machine.apt("install", "--reinstall", f"/root/{package_name(BUMPED)}")
    machine.debian.run("rm", "/usr/sbin/policy-rc.d")
    assert shown(machine.debian, "MainPID") == pid


def test_a_reboot_brings_it_back(machine: Installing) -> None:
    spent = machine.debian.run("stat", "--format=%i", "/var/lib/lodestard/ledger.db")
    machine.debian.reboot()
    assert states(machine) == {"active"}
    assert version(machine) == BUMPED
    assert machine.debian.run("stat", "--format=%i", "/var/lib/lodestard/ledger.db") == spent


def test_removing_keeps_the_data_and_installing_again_finds_it(machine: Installing) -> None:
    machine.apt("remove", "lodestard")
    assert machine.debian.ask("test", "-e", "/opt/lodestard").returncode == 1
    assert machine.debian.ask("test", "-S", "/run/lodestard.sock").returncode == 1
    for kept in ("/var/lib/lodestard/ledger.db", CONFIG, DROP_IN, KEY_FILE):
        machine.debian.run("test", "-s", kept)
    machine.apt("install", f"/root/{package_name(BUMPED)}")
    assert states(machine) == {"active"}
    assert machine.debian.run("head", "--lines=1", CONFIG) == MARK
    assert "paced" in machine.debian.run("lodestarctl", "models", "list")


def test_purging_leaves_nothing(machine: Installing) -> None:
    machine.debian.write("/etc/credstore.encrypted/lodestard.openai", "sealed", mode=0o600)
    machine.debian.write(SETUP_DROP_IN, "[Service]\nLoadCredentialEncrypted=openai:lodestard.openai\n")
    machine.apt("purge", "lodestard")
    assert machine.debian.ask("test", "-e", "/opt/lodestard").returncode == 1
    after = machine.files()
    brought = ("/root/lodestard_", "/etc/systemd/system/simulator.service ")
    assert {line for line in after - machine.bare if not line.startswith(brought)} == set()
    assert machine.bare - after == set()
    assert machine.debian.ask("getent", "passwd", "lodestar").returncode != 0
    assert machine.debian.ask("getent", "group", "lodestar").returncode != 0
    assert machine.debian.ask("systemctl", "list-unit-files", "--no-legend", "lodestard*").stdout == ""


def test_it_can_be_installed_where_no_systemd_runs(machine: Installing) -> None:
    """In a container's build, or from a rescue system: nothing is started, and nothing fails."""
    bare = "mount -t tmpfs none /run && exec"
    for words in (f"install /root/{package_name(BUMPED)}", "purge lodestard"):
        script = f"{bare} apt-get --yes {words}"
        machine.debian.run("unshare", "--mount", "sh", "-c", script, timeout_s=120)
    assert states(machine) == {"inactive"}
