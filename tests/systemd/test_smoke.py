"""The daemon as a service: a real Debian 12 boots, systemd starts it, it answers, the journal knows.

The tests run in order, over one boot: install, start, ask, read, reload, stop.
"""

import json
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.systemd.debian import Debian, boot, debian_tree, missing_tools
from tests.systemd.product import ROOT, layout, missing_python, product_venv

pytestmark = pytest.mark.systemd

CANARY = "sk-canary-3f9d1c"
PROMPT = "what colour is the secret lighthouse"
READY_S = 5 * 2.0  # five times what is wanted: other processes want the processor too

SIMULATOR_UNIT = """\
[Service]
ExecStart=/opt/lodestard/bin/python3 -m lodestard.simulator --ollama-port 11434 --profile instant
DynamicUser=yes
"""

ASK = """\
import json, sys, urllib.request
message = {"role": "user", "content": sys.argv[1]}
body = {"model": "local-llama", "temperature": 0, "messages": [message]}
request = urllib.request.Request(
    "http://127.0.0.1:4000/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
)
with urllib.request.urlopen(request, timeout=30) as answer:
    print(json.dumps({"headers": dict(answer.headers.items()), "body": json.load(answer)}))
"""


ASK_ON = """\
import http.client, json, time
began_s, answered, failed, longest_s = time.monotonic(), 0, [], 0.0
body = json.dumps({"model": "local-llama", "messages": [{"role": "user", "content": "on and on"}]})
while time.monotonic() - began_s < 8:
    at_s = time.monotonic()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", 4000, timeout=30)
        connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        assert json.load(connection.getresponse())["choices"]
        answered += 1
    except Exception as error:
        failed.append(repr(error))
    connection.close()
    longest_s = max(longest_s, time.monotonic() - at_s)
    time.sleep(0.02)
print(json.dumps({"answered": answered, "failed": failed, "longest_s": longest_s}))
"""


def why_not() -> str:
    return missing_tools() or missing_python()


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    if why := why_not():
        pytest.skip(f"NOT RUN, the systemd test: {why}")
    folder = tmp_path_factory.mktemp("debian")
    files = {
        "ask.py": ("/opt/ask.py", ASK),
        "ask_on.py": ("/opt/ask_on.py", ASK_ON),
        "simulator.service": ("/etc/systemd/system/simulator.service", SIMULATOR_UNIT),
        "key": ("/etc/credstore/lodestard.openai", CANARY),
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


def records(debian: Debian) -> list[dict[str, str]]:
    lines = debian.run("journalctl", "--unit=lodestard.service", "--output=json", "--no-pager")
    return [json.loads(line) for line in lines.splitlines()]


def shown(debian: Debian, name: str) -> str:
    return debian.run("systemctl", "show", "--value", f"--property={name}", "lodestard.service").strip()


def ask(debian: Debian, prompt: str = PROMPT) -> dict[str, dict[str, str]]:
    answer: dict[str, dict[str, str]] = json.loads(debian.run("/usr/bin/python3", "/opt/ask.py", prompt))
    return answer


def test_the_units_are_well_formed(debian: Debian) -> None:
    units = ("lodestard.service", "lodestard.socket", "lodestard-control.socket")
    debian.run("systemd-analyze", "verify", *units)


def test_the_sandbox_is_tight(debian: Debian) -> None:
    unit = "/usr/lib/systemd/system/lodestard.service"
    debian.run("systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", unit)


def test_it_starts(debian: Debian) -> None:
    debian.run("systemctl", "start", "lodestard.socket", "lodestard-control.socket", "lodestard.service")
    assert shown(debian, "ActiveState") == "active"
    assert "serving on" in shown(debian, "StatusText")
    started_us, ready_us = (
        int(shown(debian, f"{name}TimestampMonotonic")) for name in ("ExecMainStart", "ActiveEnter")
    )
    assert (ready_us - started_us) / 1e6 <= READY_S


def test_it_lives_behind_the_units_walls(debian: Debian) -> None:
    """The kernel's word: the filter of system calls is on, no privilege can be had, the limits are the unit's."""
    pid = shown(debian, "MainPID")
    status = dict(line.split(":\t", 1) for line in debian.run("cat", f"/proc/{pid}/status").splitlines())
    assert (status["Seccomp"], status["NoNewPrivs"], int(status["CapBnd"], 16)) == ("2", "1", 0)
    (files,) = [line for line in debian.run("cat", f"/proc/{pid}/limits").splitlines() if "open files" in line]
    _, most_here = resource.getrlimit(resource.RLIMIT_NOFILE)  # a container can't be given more
    assert int(files.split()[4]) == (32_768 if most_here < 0 else min(32_768, most_here))
    assert shown(debian, "TimeoutStopUSec") == "2min 30s"


def test_it_runs_as_its_own_user(debian: Debian) -> None:
    assert debian.run("ps", "-o", "user=", "-p", shown(debian, "MainPID")).strip() == "lodestar"
    assert debian.run("stat", "--format=%U:%G %a", "/run/lodestard.sock").strip() == "root:lodestar 660"
    assert debian.run("stat", "--format=%U %a", "/var/lib/lodestard/ledger.db").strip() == "lodestar 600"


def test_a_key_that_is_there_is_handed_over_and_others_are_left_out(debian: Debian) -> None:
    folder = "/run/credentials/lodestard.service"
    assert debian.run("ls", folder).split() == ["openai"]
    assert debian.run("cat", f"{folder}/openai") == CANARY


def test_systemd_watches_it(debian: Debian) -> None:
    assert shown(debian, "WatchdogUSec") == "30s"
    assert shown(debian, "WatchdogTimestampMonotonic") != "0"


def test_it_answers_and_the_journal_has_the_figures(debian: Debian) -> None:
    answer = ask(debian)
    request_id = answer["headers"]["x-lodestar-request-id"]
    assert answer["body"]["choices"]

    def told() -> list[dict[str, str]]:
        return [record for record in records(debian) if record.get("LODESTAR_REQUEST_ID") == request_id]

    debian.wait_until(lambda: bool(told()), "the request's record in the journal", timeout_s=10)
    record = told()[0]
    assert record["SYSLOG_IDENTIFIER"] == "lodestard"
    assert record["PRIORITY"] == "6"
    assert record["LODESTAR_OUTCOME"] == "ok"
    assert record["_SYSTEMD_UNIT"] == "lodestard.service"


def test_the_ctl_talks_to_it(debian: Debian) -> None:
    status = json.loads(debian.run("/opt/lodestard/bin/lodestarctl", "status", "--json"))
    assert status


def test_its_own_processes_run_in_the_sandbox(debian: Debian) -> None:
    """The price list is read and exports are made by children of the daemon's; the status line's file is there."""
    ctl = "/opt/lodestard/bin/lodestarctl"
    prices = json.loads(debian.run(ctl, "prices", "--json"))["data"]
    assert prices["list_version"], prices
    exported = debian.run(ctl, "costs", "export", "--csv").splitlines()
    assert exported[0].startswith("kind,id,")
    assert any(line.startswith("request,req_") for line in exported[1:])
    assert "today" in debian.run(ctl, "statusline")
    assert debian.run("stat", "--format=%U:%G %a", "/run/lodestard").strip() == "lodestar:lodestar 750"


def test_a_member_of_the_group_may_look_and_others_may_not(debian: Debian) -> None:
    debian.run("useradd", "--groups=lodestar", "member")
    debian.run("useradd", "stranger")
    command = "/opt/lodestard/bin/lodestarctl status"
    debian.run("su", "member", "--shell=/bin/sh", f"--command={command}")
    refused = debian.ask("su", "stranger", "--shell=/bin/sh", f"--command={command}")
    assert refused.returncode == 4, refused.stderr


def test_a_reload_keeps_it_up(debian: Debian) -> None:
    pid = shown(debian, "MainPID")
    debian.run("systemctl", "reload", "lodestard.service")
    debian.wait_until(lambda: "reloaded" in shown(debian, "StatusText"), "the reload", timeout_s=10)
    assert shown(debian, "MainPID") == pid
    assert ask(debian)["body"]["choices"]


def test_a_restart_loses_no_request(debian: Debian) -> None:
    pid = shown(debian, "MainPID")
    with ThreadPoolExecutor(1) as clients:
        seen = clients.submit(debian.run, "/usr/bin/python3", "/opt/ask_on.py")
        report = json.loads(debian.run("/opt/lodestard/bin/lodestarctl", "restart", "--json"))["data"]
        figures = json.loads(seen.result())
    assert (report["ok"], report["by"], report["state"]) == (True, "lodestard.service", "ready")
    assert str(report["pid"]) == shown(debian, "MainPID") != pid
    assert figures["failed"] == []
    assert figures["answered"] > 20
    print(f"restart in a unit: {figures}, {report['waited_s']} s")  # noqa: T201


def test_who_may_not_restart_a_unit_is_told_how(debian: Debian) -> None:
    pid = shown(debian, "MainPID")
    told = debian.ask("su", "member", "--shell=/bin/sh", "--command=/opt/lodestard/bin/lodestarctl restart")
    assert told.returncode == 4, told.stderr
    assert "As root: systemctl restart lodestard.service" in told.stderr
    assert shown(debian, "MainPID") == pid
    assert ask(debian)["body"]["choices"]


def test_after_a_crash_the_sockets_wait_for_the_next_one(debian: Debian) -> None:
    pid = shown(debian, "MainPID")
    debian.run("systemctl", "kill", "--signal=KILL", "lodestard.service")
    assert ask(debian, "still there?")["body"]["choices"]
    assert shown(debian, "MainPID") != pid


def test_it_stops_and_the_first_request_starts_it_again(debian: Debian) -> None:
    debian.run("systemctl", "stop", "lodestard.service")
    assert shown(debian, "ActiveState") == "inactive"
    assert shown(debian, "Result") == "success"
    assert ask(debian, "who is there?")["body"]["choices"]
    assert shown(debian, "ActiveState") == "active"


def test_the_journal_knows_no_key_and_no_prompt(debian: Debian) -> None:
    journal = debian.run("journalctl", "--output=json", "--no-pager")
    assert CANARY not in journal
    assert PROMPT not in journal
