"""curl, as the README calls it."""

import json
import shutil
import subprocess

import pytest

from tests.fakes.process import Daemon

CURL = shutil.which("curl")

pytestmark = pytest.mark.skipif(CURL is None, reason="CURL IS NOT INSTALLED, SO IT WAS NOT TRIED")


def curl(*words: str) -> str:
    done = subprocess.run(
        [CURL or "curl", "-sS", "--max-time", "10", *words], capture_output=True, text=True, check=True
    )
    return done.stdout


def question(**members: object) -> str:
    return json.dumps({"model": "local-llama", "messages": [{"role": "user", "content": "Hello!"}], **members})


def test_plain_and_streamed(house: Daemon, base_url: str) -> None:
    send = (f"{base_url}/chat/completions", "-H", "content-type: application/json", "-d")
    head, body = curl("-i", *send, question()).split("\n\n", 1)
    assert head.startswith("HTTP/1.1 200 OK")
    assert json.loads(body)["choices"][0]["message"]["content"].startswith("[simulated llama3.1:8b]")
    events = [line for line in curl("-N", *send, question(stream=True)).splitlines() if line]
    assert events[-1] == "data: [DONE]"
    assert house.rows(1)[0]["client"] == "curl"


def test_a_large_body_waits_for_its_100(base_url: str) -> None:
    """curl asks first before it sends more than a megabyte."""
    body = question(pad="x" * 1_100_000)
    send = ("-H", "content-type: application/json", "-H", "expect: 100-continue", "--data-binary", "@-")
    done = subprocess.run(
        [CURL or "curl", "-sSv", "--max-time", "10", f"{base_url}/chat/completions", *send],
        input=body,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "100 Continue" in done.stderr
    assert json.loads(done.stdout)["object"] == "chat.completion"
