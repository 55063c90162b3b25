"""What a handler does wrong stays with its connection."""

import logging
from collections.abc import Sequence

import pytest
import trio
import trio.testing

from lodestard.domain.clock import SystemClock
from lodestard.domain.errors import CallerFault, Code, Fault, HouseFault
from lodestard.domain.settings import Limits
from lodestard.http import ClientLeft, HttpExchange, HttpServer
from lodestard.http.firewall import describe, judge_group
from tests.fakes.http_server import HOST, Handler, build_server, read_answers, serving

GET = b"GET /p HTTP/1.1\r\n" + HOST + b"\r\n"
PROMPT = "what the user said"


async def raises_defect(exchange: HttpExchange) -> None:
    await trio.lowlevel.checkpoint()
    try:
        dict[str, str]()[PROMPT]
    except KeyError as error:
        raise ValueError(PROMPT) from error


async def raises_group(exchange: HttpExchange) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(raises_defect, exchange)
        nursery.start_soon(raises_defect, exchange)


async def raises_fault(exchange: HttpExchange) -> None:
    await trio.lowlevel.checkpoint()
    raise CallerFault(Code.INVALID_REQUEST, "no")


async def raises_fault_in_nursery(exchange: HttpExchange) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(raises_fault, exchange)
        nursery.start_soon(trio.lowlevel.checkpoint)


async def says_nothing(exchange: HttpExchange) -> None:
    await trio.lowlevel.checkpoint()


async def breaks_out(exchange: HttpExchange) -> None:
    await exchange.respond(200, [("x", "a\r\nset-cookie: b")], b"")


async def bad_status(exchange: HttpExchange) -> None:
    await exchange.respond(101, [], b"")


@pytest.mark.parametrize(
    ("handler", "status", "body", "logged"),
    [
        (raises_defect, 500, b"internal at /p", True),
        (raises_group, 500, b"internal at /p", True),
        (raises_fault, 400, b"invalid_request at /p", False),
        (raises_fault_in_nursery, 400, b"invalid_request at /p", False),
        (says_nothing, 500, b"internal at /p", True),
        (breaks_out, 500, b"internal at /p", True),
        (bad_status, 500, b"internal at /p", True),
    ],
)
async def test_before_the_head_it_is_an_answer(
    handler: Handler, status: int, body: bytes, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(build_server(handler)) as running:
        client = await running.connect()
        for _ in range(2):
            answer = await client.ask(GET)
            assert (answer.status, answer.body, answer.closes) == (status, body, False)
        assert running.server.exchanges == 0
    assert bool(caplog.records) is logged
    assert PROMPT not in caplog.text


async def test_the_log_names_the_places(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(build_server(raises_defect)) as running:
        client = await running.connect()
        await client.ask(GET)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "ValueError" in record.getMessage()
    assert "from KeyError" in record.getMessage()
    assert "in raises_defect" in record.getMessage()


@pytest.mark.parametrize("error", [ValueError, CallerFault(Code.INVALID_REQUEST, "no"), ClientLeft])
async def test_after_the_head_the_answer_is_cut(error: Exception) -> None:
    async def handler(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        await exchange.send(b"half")
        raise error

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        await client.send(GET)
        (answer,) = read_answers(await client.read_all())
        assert (answer.body, answer.complete) == (b"half", False)
        client = await running.connect()
        await client.send(b"GET / HTTP/1.0\r\n\r\n")  # its body ends with the connection: only a reset shows the cut
        assert (await client.read_all()).endswith(b"<reset>")


async def test_an_answer_that_is_not_finished_is_cut() -> None:
    async def handler(exchange: HttpExchange) -> None:
        await exchange.start(200, [("content-length", "9")])
        await exchange.send(b"half")

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        await client.send(GET)
        (answer,) = read_answers(await client.read_all())
    assert (answer.body, answer.complete) == (b"half", False)


async def test_abort_cuts_after_what_was_sent() -> None:
    async def handler(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        await exchange.send(b"event: error\n\n")
        exchange.abort()
        with pytest.raises(ClientLeft):
            await exchange.send(b"more")

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        await client.send(GET)
        (answer,) = read_answers(await client.read_all())
    assert (answer.body, answer.complete) == (b"event: error\n\n", False)


async def test_abort_without_an_answer_closes() -> None:
    async def handler(exchange: HttpExchange) -> None:
        await trio.lowlevel.checkpoint()
        exchange.abort()

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        await client.send(GET)
        assert await client.is_closed()


async def test_an_answer_is_begun_once() -> None:
    async def handler(exchange: HttpExchange) -> None:
        with pytest.raises(RuntimeError):
            await exchange.send(b"early")
        await exchange.respond(200, [], b"one")
        with pytest.raises(RuntimeError):
            await exchange.respond(200, [], b"two")
        with pytest.raises(RuntimeError):
            await exchange.start(200, [])

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        assert (await client.ask(GET)).body == b"one"


@pytest.mark.parametrize("started", [False, True])
async def test_cancellation_is_a_cut_and_passes(started: bool) -> None:
    async def handler(exchange: HttpExchange) -> None:
        if started:
            await exchange.start(200, [])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("on the way out")

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        await client.send(GET)
        await trio.testing.wait_all_tasks_blocked()
        running.life.cancel()
        await running.ended.wait()
        answers = read_answers(await client.read_all())
    assert [answer.complete for answer in answers] == [False] * started


async def test_a_fault_writer_that_fails() -> None:
    def write_fault(fault: Fault, path: str) -> tuple[int, list[tuple[str, str]], bytes]:
        if path == "/head":
            return 500, [("x", "\r\n")], b""
        raise ValueError(path)

    server = HttpServer(
        raises_fault,
        limits=Limits(),
        clock=SystemClock(),
        allowed_hosts=None,
        allowed_origins=frozenset(),
        write_fault=write_fault,
    )
    async with serving(server) as running:
        client = await running.connect()
        assert (await client.ask(GET)).status == 500
        client = await running.connect()
        await client.send(GET.replace(b"/p", b"/head"))
        assert await client.is_closed()
        client = await running.connect()
        assert (await client.ask(GET)).status == 500


def test_what_is_not_ours_to_stop_goes_on() -> None:
    parts: Sequence[BaseException] = [ValueError("a"), KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        judge_group(BaseExceptionGroup("", parts))
    fault = judge_group(BaseExceptionGroup("", [CallerFault(Code.NOT_FOUND, "x")]))
    assert isinstance(fault, CallerFault)
    assert isinstance(judge_group(BaseExceptionGroup("", [ValueError("a"), OSError()])), HouseFault)


def test_a_description_has_no_text_of_the_error() -> None:
    assert describe(ExceptionGroup("secret", [ValueError("secret"), OSError(5, "secret")])) == [
        "ExceptionGroup",
        "from ValueError",
        "from OSError",
    ]
