"""Runs as the image's user in its tree: makes the first key, starts the daemon, asks it, and says what it saw."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

WAIT_S = 60.0


def ask(key: str) -> tuple[int, str]:
    body = {"model": "local", "messages": [{"role": "user", "content": "Hello!"}]}
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
    request = urllib.request.Request("http://127.0.0.1:4000/v1/chat/completions", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return answer.status, str(json.load(answer)["choices"][0]["message"]["content"])
    except urllib.error.HTTPError as error:
        return error.code, ""


def run(*words: str) -> dict[str, Any]:
    done = subprocess.run(words, capture_output=True, text=True, timeout=WAIT_S, check=False)
    return {"status": done.returncode, "out": done.stdout, "err": done.stderr}


def root_is_read_only() -> bool:
    try:
        Path("/etc/written").write_text("")
    except OSError:
        return True
    return False


def main() -> None:
    command, health = json.loads(sys.argv[1]), json.loads(sys.argv[2])
    told: dict[str, Any] = {"uid": os.getuid(), "read_only": root_is_read_only(), "keyless": run(*command)}
    told["key"] = run("/opt/lodestard/bin/lodestard-first-key", "laptop")
    told["again"] = run("/opt/lodestard/bin/lodestard-first-key", "laptop")
    simulator = subprocess.Popen(
        ["/opt/lodestard/bin/python3", "-m", "lodestard.simulator", "--ollama-port", "11434", "--profile", "instant"],
        stdout=subprocess.DEVNULL,
    )
    daemon = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline_s = time.monotonic() + WAIT_S
    while run(*health)["status"] and time.monotonic() < deadline_s and daemon.poll() is None:
        time.sleep(0.1)
    told["health"] = run(*health)
    if told["health"]["status"]:
        daemon.kill()
        sys.exit(f"{told}\n{daemon.communicate()[1]}")
    told["answer"], told["refused"] = ask(told["key"]["out"].strip()), ask("")
    told["restart"] = run("lodestarctl", "restart")
    told["answer_after"] = ask(told["key"]["out"].strip())
    daemon.send_signal(signal.SIGTERM)
    told["log"] = daemon.communicate(timeout=WAIT_S)[1]
    told["ended"] = daemon.returncode
    simulator.kill()
    simulator.wait()
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
