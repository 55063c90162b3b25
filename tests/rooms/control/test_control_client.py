"""The client against scripted servers: transcripts of what may come, byte for byte."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lodestard.control.client import (
    SYSTEM_SOCKET,
    ControlClient,
    ControlError,
    DaemonNotRunning,
    read_data,
    socket_paths,
)
from lodestard.control.messages import LogLevel

OWN = "lodestard/lodestard.sock"
DEMO = "lodestard-demo/lodestard.sock"
OK_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CHUNKED_HEAD = OK_HEAD + b"transfer-encoding: chunked\r\n\r\n"
ANSWER = b'{"version":1,"verb":"log-level","data":{"level":"debug","was":"info","new":[1]}}\n'


def plain(body: bytes, head: bytes = OK_HEAD) -> bytes:
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def read_request(connection: socket.socket) -> bytes:
    """A whole request, so that closing after the answer resets nothing."""
    data = b""
    while True:
        data += connection.recv(65536)
        head, end, body = data.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0")
        if end and len(body) >= size:
            return data


@contextmanager
def answering(path: Path, *answers: bytes) -> Iterator[list[bytes]]:
    """A server that reads a request, sends the next answer and closes. Yields the requests that came."""
    seen: list[bytes] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                seen.append(read_request(connection))
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield seen
    finally:
        thread.join()
        listener.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def test_a_call_is_one_post_with_its_arguments(path: Path) -> None:
    with answering(path, plain(ANSWER)) as seen:
        level = ControlClient(str(path)).ask("log-level", {"level": "debug"}, LogLevel)
    assert level == LogLevel(level="debug", was="info")
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/verbs/log-level HTTP/1.1\r\n")
    assert body == b'{"level":"debug"}'


def test_a_refusal_is_raised_with_all_it_says(path: Path) -> None:
    body = b'{"version":1,"error":{"code":"budget_refused","message":"No.","param":"m","retry_after_s":3}}'
    head = b"HTTP/1.1 402 Payment Required\r\n"
    with answering(path, plain(body, head)), pytest.raises(ControlError) as caught:
        ControlClient(str(path)).call("ask")
    refusal = caught.value.refusal
    assert (caught.value.code, caught.value.message) == ("budget_refused", "No.")
    assert (refusal.param, refusal.retry_after_s) == ("m", 3.0)


def test_a_stream_gives_each_line_however_it_was_cut(path: Path) -> None:
    lines = b"".join(b'{"version":1,"verb":"v","data":{"n":%d}}\n' % n for n in range(4))
    chunks = b"".join(chunk(lines[at : at + 7]) for at in range(0, len(lines), 7)) + b"0\r\n\r\n"
    with answering(path, CHUNKED_HEAD + chunks):
        items = list(ControlClient(str(path)).stream("v"))
    assert [bytes(item) for item in items] == [b'{"n":%d}' % n for n in range(4)]


def test_an_item_is_there_before_the_next_one_is_sent(path: Path) -> None:
    second_may_go = threading.Event()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            read_request(connection)
            connection.sendall(CHUNKED_HEAD + chunk(b'{"version":1,"verb":"v","data":1}\n'))
            assert second_may_go.wait(5)
            connection.sendall(chunk(b'{"version":1,"verb":"v","data":2}\n') + b"0\r\n\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    items = ControlClient(str(path)).stream("v")
    assert bytes(next(items)) == b"1"
    second_may_go.set()
    assert [bytes(item) for item in items] == [b"2"]
    thread.join()
    listener.close()


def test_a_stream_that_is_cut_is_never_taken_for_whole(path: Path) -> None:
    with answering(path, CHUNKED_HEAD + chunk(b'{"version":1,"verb":"v","data":1}\n')):
        items = ControlClient(str(path)).stream("v")
        assert bytes(next(items)) == b"1"
        with pytest.raises(ControlError, match="cut off"):
            next(items)


def test_a_fault_in_the_midst_of_a_stream(path: Path) -> None:
    lines = b'{"version":1,"verb":"v","data":1}\n{"version":1,"error":{"code":"upstream_cut","message":"Cut."}}'
    with answering(path, CHUNKED_HEAD + chunk(lines) + b"0\r\n\r\n"):
        items = ControlClient(str(path)).stream("v")
        assert bytes(next(items)) == b"1"
        with pytest.raises(ControlError, match="Cut"):
            next(items)


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (b"", DaemonNotRunning, "without an answer"),
        (b"SSH-2.0-OpenSSH\r\n", ControlError, "cut off"),
        (OK_HEAD + b"content-length: 100\r\n\r\n{", ControlError, "cut off"),
        (plain(b"<html>"), ControlError, "not lodestard"),
        (plain(b'{"version":1,"verb":"\xff"}'), ControlError, "not lodestard"),
        (plain(b"[" * 200_000), ControlError, "not lodestard"),
        (plain(b'{"version":2,"verb":"x","data":1}'), ControlError, "version 2"),
    ],
)
def test_what_is_no_answer(path: Path, answer: bytes, error: type[Exception], says: str) -> None:
    with answering(path, answer), pytest.raises(error, match=says):
        ControlClient(str(path)).call("status")


def test_an_answer_without_data_is_null(path: Path) -> None:
    with answering(path, plain(b'{"version":1,"verb":"x"}')):
        assert bytes(ControlClient(str(path)).call("x")) == b"null"


def test_a_daemon_that_does_not_answer_in_time(path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    with pytest.raises(ControlError, match="in time") as caught:
        ControlClient(str(path), timeout_s=0.05).call("status")
    assert caught.value.code == "request_timeout"
    listener.close()


def test_the_first_socket_on_which_somebody_listens_is_used(tmp_path: Path) -> None:
    stale, missing, live = (tmp_path / name for name in ("stale", "missing", "live"))
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(stale))
    dead.close()
    with answering(live, plain(ANSWER)):
        assert ControlClient([str(stale), str(missing), str(live)]).call("log-level")
    with pytest.raises(DaemonNotRunning) as caught:
        ControlClient([str(stale), str(missing)]).call("log-level")
    assert str(stale) in str(caught.value)


def test_a_socket_that_may_not_be_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise PermissionError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(ControlError) as caught:
        ControlClient(str(path)).call("status")
    assert caught.value.code == "not_permitted"


def test_an_answer_that_came_before_the_whole_request_was_read(path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    body = b'{"version":1,"error":{"code":"request_too_large","message":"Too large."}}'

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(100)
            connection.sendall(plain(body, b"HTTP/1.1 413 Content Too Large\r\n"))
            connection.shutdown(socket.SHUT_RD)
            connection.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    with pytest.raises(ControlError, match="Too large"):
        ControlClient(str(path)).call("cache.warm", {"lines": ["x" * 5_000_000]})
    thread.join()
    listener.close()


def test_data_of_another_shape_is_said_to_be_another_version() -> None:
    import msgspec

    for data in (b"{}", b'{"level":"\xff"}', b"[" * 200_000):
        with pytest.raises(ControlError, match="another version of LogLevel"):
            read_data(msgspec.Raw(data), LogLevel)


@pytest.mark.parametrize(
    ("environment", "uid", "paths"),
    [
        ({"LODESTAR_SOCKET": "/x/s"}, 0, ("/x/s",)),
        ({"HOME": "/root"}, 0, (SYSTEM_SOCKET, f"/root/.local/state/{OWN}", f"/root/.local/state/{DEMO}")),
        (
            {"XDG_RUNTIME_DIR": "/run/user/7"},
            7,
            ("/run/user/7/lodestard.sock", SYSTEM_SOCKET, f"/.local/state/{DEMO}"),
        ),
        ({"XDG_STATE_HOME": "/s"}, 7, (f"/s/{OWN}", SYSTEM_SOCKET, f"/s/{DEMO}")),
        (
            {"XDG_STATE_HOME": "s", "HOME": "/h"},
            7,
            (f"/h/.local/state/{OWN}", SYSTEM_SOCKET, f"/h/.local/state/{DEMO}"),
        ),
        ({}, 7, (f"/.local/state/{OWN}", SYSTEM_SOCKET, f"/.local/state/{DEMO}")),
    ],
)
def test_where_the_socket_may_be(environment: dict[str, str], uid: int, paths: tuple[str, ...]) -> None:
    assert socket_paths(environment, uid) == paths
