"""Beginning anew: what the next image is given, and the question whether it would start."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

import pytest

from lodestard import restart
from lodestard.restart import Successor, begin_anew, command, rehearse, stand_by, why_not

HEEDED = (*restart.HELD_BACK, signal.SIGHUP)


class Executed(Exception):
    """Instead of another image."""


@pytest.fixture
def signals_put_back() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in HEEDED}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    restart._held_back.clear()


@pytest.mark.usefixtures("signals_put_back")
def test_the_next_image_gets_sockets_and_words(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[str, Sequence[str], Mapping[str, str]]] = []

    def execute(program: str, words: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
        given.append((program, words, environ))
        raise Executed

    monkeypatch.setattr(restart, "FIRST_FD", 210)
    stand_by()
    os.kill(os.getpid(), signal.SIGHUP)
    with socket.create_server(("127.0.0.1", 0)) as proxy, socket.create_server(("127.0.0.1", 0)) as control:
        sockets = {"proxy": [os.dup(proxy.fileno())], "control": [os.dup(control.fileno())]}
        with pytest.raises(Executed):
            begin_anew(Successor(sockets, ours=True), execute)
        for fd, sock in zip((210, 211), (proxy, control), strict=True):
            assert os.get_inheritable(fd)
            assert os.fstat(fd).st_ino == os.fstat(sock.fileno()).st_ino
            os.close(fd)
    ((program, words, environ),) = given
    assert [program, *words[1:]] == [sys.executable, *sys.orig_argv[1:]]
    assert (environ["LISTEN_PID"], environ["LISTEN_FDNAMES"]) == (str(os.getpid()), "proxy:control")
    assert environ["LODESTAR_OWN_SOCKETS"] == "1"
    assert {signal.getsignal(number) for number in restart.HELD_BACK} == {signal.SIG_DFL}


@pytest.mark.usefixtures("signals_put_back")
@pytest.mark.parametrize("number", restart.HELD_BACK)
def test_who_was_told_to_end_does_not_begin_anew(number: int) -> None:
    def execute(*_arguments: object) -> NoReturn:
        raise Executed

    stand_by()
    os.kill(os.getpid(), number)  # nobody heeds it any more
    begin_anew(Successor({}, ours=True), execute)


def test_a_second_signal_does_not_wait() -> None:
    child = "import os, signal; from lodestard.restart import stand_by; stand_by()\n"
    child += "for _ in range({times}): os.kill(os.getpid(), signal.SIGTERM)\nprint('on', flush=True)"
    for times, status in ((1, 0), (2, -signal.SIGTERM)):
        done = subprocess.run([sys.executable, "-c", child.format(times=times)], check=False, timeout=30)
        assert done.returncode == status


def test_the_command_is_the_one_that_started_us() -> None:
    assert command() == [sys.executable, *sys.orig_argv[1:]]


async def test_a_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    def runs(script: str) -> None:
        monkeypatch.setattr(restart, "command", lambda: [sys.executable, "-c", script])

    runs("import sys; assert sys.argv[1:] == ['--check', '--json']")
    assert await rehearse() == ""
    runs("import no_such_thing")
    assert "no_such_thing" in await rehearse()
    runs("pass")
    monkeypatch.setattr(restart, "REHEARSAL_S", 0.0)
    assert "took more than 0 s" in await rehearse()
    monkeypatch.setattr(restart, "REHEARSAL_S", 30.0)
    monkeypatch.setattr(restart, "command", lambda: ["/nowhere/python"])
    assert await rehearse() == "/nowhere/python: No such file or directory"


def test_the_reason_is_the_first_fault_or_the_last_line() -> None:
    fault = b'{"data": {"faults": [{"file": "a.toml", "line": 3, "key": "cache.ttl_s", "message": "too small"}]}}'
    assert why_not(fault, b"", 78) == "a.toml:3: cache.ttl_s: too small"
    assert why_not(b"", b"Traceback:\nImportError: x\n", 1) == "ImportError: x"
    assert why_not(b"{}", b"", 5) == "it ended with status 5"
