"""Runs in a bare Debian with nothing but Python: starts the one-file programs and says what happened, as JSON."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

FILES = Path("/opt/onefile")
HOME = Path("/home/somebody")
ENVIRON = {"PATH": "/usr/bin:/bin", "HOME": str(HOME), "LANG": "C.UTF-8"}
WAIT_S = 60.0


def run(program: str, *words: str, **environ: str) -> dict[str, Any]:
    began_s = time.monotonic()
    done = subprocess.run(
        [str(FILES / program), *words], capture_output=True, text=True, env={**ENVIRON, **environ}, timeout=WAIT_S
    )
    return {
        "status": done.returncode, "out": done.stdout, "err": done.stderr, "s": round(time.monotonic() - began_s, 3),
    }  # fmt: skip


def two_at_once() -> list[tuple[str, int]]:
    both = [
        subprocess.Popen([str(FILES / "lodestard"), "--version"], env=ENVIRON, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    return [(child.communicate(timeout=WAIT_S)[0], child.returncode) for child in both]


def ask() -> str:
    body = {"model": "local-llama", "messages": [{"role": "user", "content": "Hello!"}]}
    request = urllib.request.Request(
        "http://127.0.0.1:4000/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
        return str(json.load(answer)["choices"][0]["message"]["content"])


def demo(told: dict[str, Any]) -> None:
    """The daemon itself, its programs' children, and how it begins anew."""
    said = Path("/tmp/demo.txt")
    with said.open("w") as file:
        child = subprocess.Popen([str(FILES / "lodestard"), "--demo"], env=ENVIRON, stdout=file, stderr=file)
    deadline_s = time.monotonic() + WAIT_S
    while "is ready" not in said.read_text() and time.monotonic() < deadline_s and child.poll() is None:
        time.sleep(0.05)
    told["said"] = said.read_text()
    told["answer"] = ask()
    told["status"] = run("lodestarctl", "status", "--json")
    told["prices"] = run("lodestarctl", "prices", "--json")
    told["export"] = run("lodestarctl", "costs", "export", "--jsonl")
    told["restart"] = run("lodestarctl", "restart", "--json")
    told["answer_after"] = ask()
    told["command"] = Path(f"/proc/{child.pid}/cmdline").read_text().split("\0")
    child.send_signal(signal.SIGTERM)
    told["ended"] = child.wait(WAIT_S)
    ledger = next(HOME.glob(".local/state/lodestard-demo/ledger*.db"))
    told["verified"] = run("lodestard", "--verify-ledger", str(ledger), "--json")
    told["exported_offline"] = run("lodestarctl", "costs", "export", str(ledger), "--jsonl")


def under_a_service_manager(told: dict[str, Any]) -> None:
    """Ready is told by systemd-python, which is in the file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("/tmp/notify")
        listener.settimeout(WAIT_S)
        child = subprocess.Popen(
            [str(FILES / "lodestard"), "--demo", "--listen", "127.0.0.1:4001"],
            env={**ENVIRON, "NOTIFY_SOCKET": "/tmp/notify"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        told["notified"] = listener.recv(4096).decode()
        child.terminate()
        told["notified_ended"] = child.wait(WAIT_S)


def main() -> None:
    HOME.mkdir(parents=True)
    told: dict[str, Any] = {"cold": two_at_once(), "states": sorted(os.listdir(HOME / ".cache/lodestard-onefile"))}
    told["ctl_cold"] = run("lodestarctl", "--help")
    told["ctl_warm"] = run("lodestarctl", "--help")
    told["warm"] = run("lodestard", "--version")
    told["check"] = run("lodestard", "--check", "--config", "/opt/lodestard.toml")
    demo(told)
    under_a_service_manager(told)
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
