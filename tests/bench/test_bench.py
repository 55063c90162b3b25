"""The benchmark's own parts work: what it measures is whole answers, and it says so when they are not."""

import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from tests.bench.load import LoadError, Mode, measure, request_bytes
from tests.bench.processes import Server, printing_its_port
from tests.bench.run import Cell, Rest, report
from tests.bench.upstream import ANSWER_BYTES, EVENTS, plain_answer, streamed_answer


@pytest.fixture(scope="module")
def upstream() -> Iterator[Server]:
    with printing_its_port("direct", "tests.bench.upstream") as server:
        yield server


@pytest.fixture(scope="module")
def relay(upstream: Server) -> Iterator[Server]:
    with printing_its_port("relay", "tests.bench.relay", str(upstream.port)) as server:
        yield server


@pytest.mark.parametrize("mode", ["plain", "streamed"])
def test_whole_answers_come_through_the_relay(upstream: Server, relay: Server, mode: Mode) -> None:
    for server in (upstream, relay):
        figures = measure(server.port, 3, 0.05, mode)
        assert figures.requests >= 3
        assert 0 < figures.first_p50_ms <= figures.p50_ms <= figures.p99_ms


def test_the_canned_answers_are_of_the_size_they_are_said_to_be() -> None:
    body = plain_answer().partition(b"\r\n\r\n")[2]
    assert abs(len(body) - ANSWER_BYTES) < 200
    assert sum(part.count(b"data: {") for part in streamed_answer()) == EVENTS + 2


def test_only_the_cached_load_may_be_cached() -> None:
    assert b"temperature" in request_bytes("cached")
    assert b"temperature" not in request_bytes("plain")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"])
def test_what_is_no_whole_answer_is_an_error(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(65_536)
                client.sendall(answer)

        refusing = Thread(target=refuse)
        refusing.start()
        with pytest.raises(LoadError):
            measure(listener.getsockname()[1], 1, 0.05, "plain")
        refusing.join()


def test_the_report_compares_in_pairs(capsys: pytest.CaptureFixture[str], upstream: Server, relay: Server) -> None:
    direct, through = (measure(server.port, 1, 0.05, "plain") for server in (upstream, relay))
    rounds = ({"direct": direct, "relay": through, "lodestard": through},)
    modes: tuple[Mode, ...] = ("plain", "streamed", "cached")
    cells = [Cell(mode, connections, rounds) for mode in modes for connections in (1, 8, 32)]
    report(cells, Rest(ready_s=0.5, memory_mb=90.0))
    told = capsys.readouterr().out
    assert "| p50 added, plain, 1 connection (relay = 1) | 1.00 | <= 3 | met |" in told
    assert "| memory at rest, MB | 90.00 | <= 70 | MISSED |" in told
