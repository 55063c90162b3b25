"""The demo: no GPU, no key, no configuration."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.process import CHAT, environ, get, question, wait_for

pytestmark = pytest.mark.daemon


def test_it_starts_says_what_to_try_and_answers(tmp_path: Path) -> None:
    env = environ(tmp_path, {"XDG_STATE_HOME": str(tmp_path / "state"), "XDG_RUNTIME_DIR": str(tmp_path)})
    log = tmp_path / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "lodestard", "--demo", "--listen", "127.0.0.1:0"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=env,
        )
    try:
        said = wait_for(lambda: log.read_text() if "Ctrl-C stops the demo" in log.read_text() else "", "its words")
        assert "simulated" in said
        tries = [
            line.split()[0] for line in said.splitlines() if line.startswith("  ") and not line.startswith("   ")
        ]
        assert [Path(program).name for program in tries] == ["curl", "aider", "lodestarctl", "lodestarctl"]
        found = re.search(r"ready on http://127\.0\.0\.1:(\d+)", said)
        assert found is not None
        port = int(found[1])
        answer = get(port, CHAT, "POST", question("local-llama", max_tokens=5))
        assert answer.status == 200
        assert answer.headers["x-lodestar-model"] == "t600/llama3.1:8b"
        assert "simulated" in answer.text
        assert get(port, "/health/ready").status == 200
        status = subprocess.run(
            [sys.executable, "-m", "lodestarctl", "status"], capture_output=True, text=True, env=env, check=True
        )
        assert "simulated" in status.stdout.lower()
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
    assert (tmp_path / "state" / "lodestard-demo" / "ledger.db").exists()
