"""The service as a test meets it: what systemd and the journal say of it, and a request to it."""

import json
from typing import Any

from tests.systemd.debian import Debian

UNIT = "lodestard.service"
SOCKETS = ("lodestard.socket", "lodestard-control.socket")
CONFIG = "/etc/lodestard/lodestard.toml"
CTL = "/opt/lodestard/bin/lodestarctl"
KEY = "sk-canary-3f9d1c"
KEY_FILE = "/etc/credstore/lodestard.openai"
METER_PORT, SLOW_PORT = 9001, 9002

SIMULATOR = "simulator.service"
SIMULATE = "/opt/lodestard/bin/python3 -m lodestard.simulator --profile"
SIMULATOR_UNIT = f"""\
[Service]
ExecStart=/bin/sh -c '{SIMULATE} demo --openai-port {SLOW_PORT} & \\
    exec {SIMULATE} instant --ollama-port 11434 --openai-port {METER_PORT}'
DynamicUser=yes
"""

PACED = f"""\
[server]
drain_s = 60.0
restart_drain_s = 5.0

[upstreams.t600]
dialect = "ollama"
url = "http://127.0.0.1:11434"
free = true

[upstreams.paid]
dialect = "openai"
url = "http://127.0.0.1:{METER_PORT}/v1"
key = {{ credential = "openai" }}

[upstreams.slow]
dialect = "openai"
url = "http://127.0.0.1:{SLOW_PORT}/v1"
key = {{ credential = "openai" }}

[upstreams.paced]
dialect = "openai"
url = "http://127.0.0.1:{METER_PORT}/v1"
key = {{ credential = "openai" }}
headers = {{ x-sim-fault = "dribble=1000" }}

[upstreams.stuck]
dialect = "openai"
url = "http://127.0.0.1:{METER_PORT}/v1"
key = {{ credential = "openai" }}
headers = {{ x-sim-fault = "stall=900" }}

[models]
local-llama = {{ route = ["t600/llama3.1:8b"] }}
auto = {{ route = ["t600/llama3.1:8b"] }}
paid = {{ route = ["paid/gpt-4o-mini"] }}
slow = {{ route = ["slow/gpt-4o-mini"] }}
paced = {{ route = ["paced/gpt-4o-mini"] }}
stuck = {{ route = ["stuck/gpt-4o-mini"] }}

[prices]
"paid/gpt-4o-mini" = {{ input = "0.15", output = "0.60", max_output_tokens = 16384 }}
"slow/gpt-4o-mini" = {{ input = "0.15", output = "0.60", max_output_tokens = 16384 }}
"paced/gpt-4o-mini" = {{ input = "0.15", output = "0.60", max_output_tokens = 16384 }}
"stuck/gpt-4o-mini" = {{ input = "0.15", output = "0.60", max_output_tokens = 16384 }}
"""
"""A free model, a paid one, those that take half a second and some seconds for an answer, and one that never ends."""

ASK = """\
import json, sys, urllib.error, urllib.request
body, headers = json.loads(sys.argv[1]), json.loads(sys.argv[2])
url = "http://127.0.0.1:4000/v1/chat/completions"
request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json", **headers})
try:
    answer = urllib.request.urlopen(request, timeout=60)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps({"status": answer.status, "headers": dict(answer.headers.items()), "text": answer.read().decode()}))
"""
METER = f"""\
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:{METER_PORT}/__sim/meter", timeout=30).read().decode())
"""


def start(debian: Debian) -> None:
    """As `systemctl enable --now` of the package does; a second time it starts what is down."""
    debian.run("systemctl", "start", *SOCKETS, UNIT)


def shown(debian: Debian, name: str, unit: str = UNIT) -> str:
    return debian.run("systemctl", "show", "--value", f"--property={name}", unit).strip()


def records(debian: Debian, *more: str) -> list[dict[str, Any]]:
    """The unit's records in the journal, with all their fields."""
    lines = debian.run("journalctl", f"--unit={UNIT}", "--output=json", "--no-pager", *more)
    return [json.loads(line) for line in lines.splitlines()]


def messages(debian: Debian) -> list[str]:
    return [str(record["MESSAGE"]) for record in records(debian)]


def ask(
    debian: Debian, prompt: str, model: str = "local-llama", headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """One request, answered or refused."""
    body = {"model": model, "temperature": 0, "messages": [{"role": "user", "content": prompt}]}
    said = debian.run("/usr/bin/python3", "-c", ASK, json.dumps(body), json.dumps(headers or {}), timeout_s=90)
    answer: dict[str, Any] = json.loads(said)
    return answer


def answered(debian: Debian, prompt: str = "are you there?", model: str = "local-llama") -> bool:
    return bool(ask(debian, prompt, model)["status"] == 200)


def ctl(debian: Debian, *words: str) -> Any:
    """What a command of ``lodestarctl`` answers, as data."""
    return json.loads(debian.run(CTL, *words, "--json"))["data"]


def billed_nano_usd(debian: Debian) -> int:
    """What the simulated provider has billed, by its own meter."""
    return int(json.loads(debian.run("/usr/bin/python3", "-c", METER))["nano_usd"])
