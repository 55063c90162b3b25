"""The doctor: each finding from its facts, and what is looked at."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from lodestard import offline
from lodestard.control.verbs.checkup import (
    Facts,
    FolderFacts,
    UpstreamFacts,
    is_exposed,
    is_taken,
    look_around,
    look_at_folder,
    names_of,
    wanted_models,
)
from lodestard.control.verbs.desk import HouseState
from lodestard.control.verbs.doctor import CHECKS, doctor_verbs, examine
from lodestard.domain.settings import KeySource, Server, Upstream
from tests.fakes.control_desk import NOW_MS, SETTINGS, FakeDesk, Record, make_runtime, with_baseline

FOLDER = FolderFacts(path="/state", mode=0o700, writable=True, free_bytes=10**10)
HEALTHY = Facts(now_ms=NOW_MS, upstreams={"t600": UpstreamFacts()}, state_dir=FOLDER, sqlite="3.51.3")


def replaced(**changes: object) -> Facts:
    return msgspec.structs.replace(HEALTHY, **changes)


def folder(**changes: object) -> Facts:
    return replaced(state_dir=msgspec.structs.replace(FOLDER, **changes))


def certified(left_days: float) -> Facts:
    return replaced(certificate="/c.pem", certificate_expires_ms=NOW_MS + int(left_days * 86_400_000))


def test_nothing_wrong_is_no_finding() -> None:
    assert examine(certified(21.1), running=True).findings == ()
    assert examine(replaced(exposed=("https://192.0.2.1:4",)), running=True).findings == ()
    report = examine(HEALTHY, running=True)
    assert (report.findings, report.checks, report.running) == ((), len(CHECKS), True)
    assert examine(folder(path=""), running=False).findings == ()


@pytest.mark.parametrize(
    ("facts", "code", "severity", "says"),
    [
        (replaced(config_faults=("a.toml:3: x",)), "config", "error", "a.toml:3"),
        (replaced(upstreams={}), "no_upstream", "error", "No upstream"),
        (
            replaced(upstreams={"t600": UpstreamFacts(error="refused", advice="ollama serve")}),
            "upstream_down",
            "error",
            "refused",
        ),
        (replaced(keys_missing={"xai": "XAI_API_KEY is not set"}), "no_key", "warning", "XAI_API_KEY"),
        (replaced(unusable_aliases={"grok": "it has no price"}), "alias_unusable", "warning", "grok"),
        (replaced(baseline_without_price="openai/gpt-4o"), "baseline_without_price", "warning", "gpt-4o"),
        (
            replaced(upstreams={"t600": UpstreamFacts(models_missing=("llama3.1:8b",))}),
            "model_missing",
            "error",
            "llama3.1:8b",
        ),
        (replaced(now_ms=0), "clock", "error", "years behind"),
        (replaced(newest_request_ms=NOW_MS + 3_600_000), "clock", "warning", "from the future"),
        (folder(mode=None), "state_dir", "warning", "not there yet"),
        (folder(writable=False), "state_dir", "error", "can't be written"),
        (folder(mode=0o755), "state_dir", "warning", "Other users"),
        (folder(free_bytes=10_000_000), "disk", "error", "10 MB"),
        (replaced(sqlite="3.40.1"), "sqlite", "error", "3.40.1"),
        (replaced(ports_taken=("127.0.0.1:4000",)), "port_taken", "error", "127.0.0.1:4000"),
        (replaced(systemd_extra_missing=True), "systemd", "error", "systemd extra"),
        (replaced(exposed=("192.0.2.1:4000",)), "plain_http", "warning", "192.0.2.1:4000 is plain HTTP"),
        (replaced(exposed=("https://192.0.2.1:4",), known_by_name=False), "no_host", "warning", "every Host"),
        (certified(20.4), "certificate", "warning", "expires in 20 days"),
        (certified(0.1), "certificate", "warning", "expires in 1 day."),
        (certified(-0.1), "certificate", "error", "has expired"),
    ],
)
def test_each_finding_says_what_it_is_and_how_to_mend_it(facts: Facts, code: str, severity: str, says: str) -> None:
    (finding,) = examine(facts, running=False).findings
    assert (finding.code, finding.severity) == (code, severity)
    assert says in finding.what
    assert finding.mend


def test_the_folder_is_looked_at(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    seen = look_at_folder(str(tmp_path))
    assert (seen.mode, seen.writable, seen.free_bytes > 0) == (0o750, True, True)
    assert look_at_folder(str(tmp_path / "none")).mode is None
    assert look_at_folder("") == FolderFacts()


def test_ports_are_looked_at_without_keeping_them() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert is_taken(f"127.0.0.1:{port}")
    assert not is_taken("127.0.0.1:0")
    assert not is_taken("[::1]:0")


def test_the_models_that_are_wanted_and_the_names_ollama_has_for_them() -> None:
    assert wanted_models("openai", SETTINGS) == {"gpt-4o", "gpt-4o-mini"}
    assert wanted_models("nobody", SETTINGS) == set()
    assert names_of([{"name": "llama3:latest"}, {"name": "m:8b"}, 3]) == {"llama3:latest", "llama3", "m:8b"}
    assert names_of(None) == set()


@contextmanager
def ollama(answer: bytes) -> Iterator[str]:
    """A server that gives one answer."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(answer) + answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        thread.join()
        listener.close()


@pytest.mark.parametrize(
    ("answer", "missing", "error"),
    [
        (b'{"models": [{"name": "llama3.1:8b"}]}', (), ""),
        (b'{"models": [{"name": "other"}]}', ("llama3.1:8b",), ""),
        (b"<html>", (), "DecodeError"),
    ],
)
def test_an_ollama_server_is_asked_for_its_models(answer: bytes, missing: tuple[str, ...], error: str) -> None:
    with ollama(answer) as url:
        settings = msgspec.structs.replace(
            SETTINGS, upstreams={"t600": Upstream(dialect="ollama", url=url, free=True)}
        )
        seen = look_around(settings, "", {}).upstreams["t600"]
    assert (seen.models_missing, seen.error) == (missing, error)


def test_looking_around_without_a_daemon(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(with_baseline(), prices={}, server=Server(listen=("127.0.0.1:0",)))
    facts = look_around(settings, str(tmp_path), {"NOTIFY_SOCKET": "/x"}, now_ms=NOW_MS, ports=True)
    assert facts.baseline_without_price == "openai/gpt-4o"
    assert facts.upstreams["t600"].error == "Connection refused"
    assert facts.upstreams["openai"].error == ""
    assert facts.ports_taken == ()
    assert {finding.code for finding in examine(facts, running=False).findings} >= {"upstream_down"}


async def test_the_verb_looks_at_the_running_house(tmp_path: Path) -> None:
    runtime = make_runtime(SETTINGS, objections={"xai/grok-beta": "it has no price"}, keys_missing={"xai": "not set"})
    desk = FakeDesk(runtime, house=HouseState(state="ready", state_dir=str(tmp_path)))
    desk.reports.records = [Record(id="r", received_ms=NOW_MS + 10**9)]
    (verb,) = doctor_verbs(desk)
    assert verb.answer is not None
    part = {"openai": {"state": "down", "error": "refused"}, "xai": {"state": "down"}}
    with runtime.hooks.status_parts.add("upstreams", lambda: part):
        report = await verb.answer({})
    found = {(finding.code, finding.what) for finding in report.findings}  # type: ignore[attr-defined]
    codes = [code for code, _ in found]
    assert codes.count("upstream_down") == 3
    assert {"no_key", "clock"} <= set(codes)
    assert "alias_unusable" not in codes  # a price that is missing is told of once, by its model
    assert ("upstream_down", "xai does not answer: it is down.") in found
    assert await verb.answer({})


@pytest.mark.parametrize(
    ("address", "exposed"),
    [
        ("127.0.0.1:4000", False),
        ("[::1]:4000", False),
        ("localhost:4000", False),
        ("https://127.0.0.1:4443", False),
        ("/run/lodestard.sock", False),
        ("0.0.0.0:4000", True),
        ("[::]:4000", True),
        ("https://192.0.2.1:4443", True),
    ],
)
def test_which_addresses_others_can_reach(address: str, exposed: bool) -> None:
    assert is_exposed(address) is exposed


@pytest.mark.parametrize(
    ("fault", "mend"),
    [
        ("/etc/lodestard/conf.d: can't be read: Permission denied", "As root: lodestarctl doctor"),
        ("/home/ann/l.toml: can't be read: No such file or directory", "lodestarctl setup makes one."),
        ("a.toml:3: x: unknown key", "lodestarctl config check lists every fault with its line."),
    ],
)
def test_a_configuration_that_can_t_be_read_is_the_only_finding(fault: str, mend: str) -> None:
    (found,) = examine(Facts(now_ms=NOW_MS, config_faults=(fault,)), running=False).findings
    assert (found.what, found.mend) == (fault, mend)


def test_a_key_that_systemd_keeps_is_not_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = Upstream(dialect="openai", url="http://127.0.0.1:9", key=KeySource(credential="openai"))
    settings = msgspec.structs.replace(SETTINGS, upstreams={"openai": upstream})
    monkeypatch.setattr(offline, "STORES", (f"{tmp_path}/plain.", f"{tmp_path}/sealed."))
    told = {"openai": "no credential 'openai'"}
    assert offline._missing(told, settings) == told
    (tmp_path / "sealed.openai").touch()
    assert offline._missing(told, settings) == {}
