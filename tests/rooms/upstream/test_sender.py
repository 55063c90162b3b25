"""The sender: what goes out, what comes back as pieces, and whose fault the rest is."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
import trio.testing
from trio.testing import wait_all_tasks_blocked

from lodestard import __version__
from lodestard.domain.errors import CallerFault, Code, Fault, HouseFault, UpstreamFault
from lodestard.domain.ports import Sender
from lodestard.domain.reply import Piece
from lodestard.domain.request import Conversation, Format, Request
from lodestard.domain.settings import KeySource, Upstream
from lodestard.domain.upstream import Target
from lodestard.protocols.codec import ReplyReader, UpstreamCodec, WireRequest, join_path
from lodestard.upstream.sender import PooledSender, open_sender, plan_timeouts
from tests.fakes.scripted_server import OK, Peer, Script, ScriptedServer, answers, closes, listening, reads_only

TARGET = Target("t600", "llama3.1:8b")
END = b"END\n"


def request(*, stream: bool = True, alias: str = "local-llama") -> Request:
    return Request(
        dialect="openai_chat",
        alias=alias,
        stream=stream,
        include_usage=False,
        members={},
        conversation=Conversation(messages=()),
        size_bytes=0,
    )


class LineReader:
    """Every line is a piece; END ends it, FAIL is an error event."""

    def __init__(self, streamed: bool) -> None:
        self._streamed = streamed
        self._rest = b""
        self.done = False
        self.fault: Fault | None = None
        self.body = b""

    def feed(self, data: bytes) -> list[Piece]:
        if self.fault is not None:
            raise self.fault
        *lines, self._rest = (self._rest + data).split(b"\n")
        pieces: list[Piece] = []
        for line in lines:
            if line == b"FAIL":
                self.fault = UpstreamFault(Code.UPSTREAM_ERROR, "it said so")
                if not pieces:
                    raise self.fault
                break
            if line == b"END":
                self.done = True
                break
            pieces.append(Piece(text=line.decode()))
        return pieces

    def finish(self) -> list[Piece]:
        if self._streamed:
            raise UpstreamFault(Code.UPSTREAM_CUT, "no END")
        self.done = True
        self.body = self._rest
        return [Piece(text=self._rest.decode())]


class LineCodec:
    def write_request(self, request: Request, model: str, settings: Upstream) -> WireRequest:
        if request.alias == "unspeakable":
            raise CallerFault(Code.NOT_SUPPORTED, "can't be said")
        headers = (("content-type", "application/json"),)
        if request.alias == "injected":
            headers = (("x-beta", "a\r\nb: c"),)
        path = join_path(settings.url, "/chat")
        return WireRequest(path=path, headers=headers, body=model.encode(), streamed=request.stream)

    def takes_format(self, form: Format, model: str) -> bool:
        return True

    def reader(self, wire: WireRequest) -> ReplyReader:
        return LineReader(wire.streamed)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        if status == 400:
            return CallerFault(Code.INVALID_REQUEST, body.decode())
        message = f"{headers.get('x-why', '')}{len(body)}"
        return UpstreamFault(Code.UPSTREAM_ERROR, message, status=status, billed=False)


CODECS: Mapping[str, UpstreamCodec] = {"ollama": LineCodec(), "openai": LineCodec(), "anthropic": LineCodec()}


@asynccontextmanager
async def sender_with(
    *scripts: Script, key: str = "", **settings: object
) -> AsyncIterator[tuple[PooledSender, ScriptedServer]]:
    async with listening(*scripts) as (server, port):
        members = {"dialect": "ollama", "url": f"http://127.0.0.1:{port}", **settings}
        upstreams = {"t600": Upstream(**members)}  # type: ignore[arg-type]
        async with open_sender(upstreams, {"t600": key} if key else {}, CODECS) as sender:
            yield sender, server


async def gather(sender: PooledSender, *, stream: bool = True) -> tuple[list[str], bytes]:
    texts: list[str] = []
    async with sender.send(TARGET, request(stream=stream)) as reply:
        pieces: Sequence[Piece] | None = ()
        while pieces is not None:
            texts += [piece.text for piece in pieces]
            pieces = await reply.receive()
        assert await reply.receive() is None
        return texts, reply.body


def chunked(*parts: bytes) -> list[bytes]:
    return [b"%x\r\n%s\r\n" % (len(part), part) for part in parts]


HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


def streams(*sends: bytes) -> Script:
    """Each request is answered with these sends, a moment apart."""

    async def script(peer: Peer) -> None:
        while await peer.read_request():
            for data in sends:
                await peer.send(data)
                await trio.sleep(0.002)

    return script


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may need longer than we would give it."""
    monkeypatch.setattr("lodestard.upstream.sender.DRAIN_S", 5.0)


async def test_a_streamed_answer_and_the_request_for_it(patient: None) -> None:
    script = streams(HEAD, *chunked(b"a\nb", b"c\n", b"d\n" + END), LAST)
    async with sender_with(script, headers={"x-team": "home"}) as (sender, server):
        assert await gather(sender) == (["a", "bc", "d"], b"")
        assert await gather(sender) == (["a", "bc", "d"], b"")
        port = sender.pools["t600"].settings.origin.port
        head = server.requests[0].decode().split("\r\n")
        assert head == [
            "POST /chat HTTP/1.1",
            "content-length: 11",
            f"host: 127.0.0.1:{port}",
            "accept-encoding: identity",
            f"user-agent: lodestard/{__version__}",
            "x-team: home",
            "content-type: application/json",
            "",
            "llama3.1:8b",
        ]
        status = sender.status["t600"]
        assert (status.dialled, status.reused, status.idle) == (1, 1, 1)


async def test_a_stream_without_end_is_given_up(patient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lodestard.upstream.sender.MAX_STREAM_BYTES", 4)
    async with sender_with(streams(HEAD, *chunked(b"a\nb\n", b"c\n", END), LAST)) as (sender, _):
        with pytest.raises(UpstreamFault, match="goes on after 4 bytes") as caught:
            await gather(sender)
    assert (caught.value.code, caught.value.billed) == (Code.UPSTREAM_GARBAGE, True)


async def test_a_plain_answer() -> None:
    async with sender_with(answers(OK)) as (sender, _):
        port: Sender = sender
        assert isinstance(port, PooledSender)
        assert await gather(sender, stream=False) == (["ok"], b"ok")
        assert sender.status["t600"].idle == 1


@pytest.mark.parametrize(
    ("dialect", "key", "line"),
    [
        ("ollama", "", b""),
        ("ollama", "k-1", b"\r\nauthorization: Bearer k-1\r\n"),
        ("openai", "k-1", b"\r\nauthorization: Bearer k-1\r\n"),
        ("anthropic", "k-1", b"\r\nx-api-key: k-1\r\n"),
    ],
)
async def test_keys(dialect: str, key: str, line: bytes) -> None:
    async with sender_with(answers(OK), key=key, dialect=dialect) as (sender, server):
        await gather(sender, stream=False)
        if line:
            assert line in server.requests[0]
        else:
            assert b"k-1" not in server.requests[0]
            assert b"authorization" not in server.requests[0]
        assert "k-1" not in repr(sender.__dict__) + repr(sender.pools["t600"].__dict__)


@pytest.mark.parametrize(
    ("source", "place"),
    [
        (KeySource(credential="openai"), "the systemd credential openai"),
        (KeySource(env="OPENAI_API_KEY"), "the environment variable OPENAI_API_KEY"),
        (KeySource(file="/etc/lodestar/openai.key"), "the file /etc/lodestar/openai.key"),
    ],
)
async def test_a_key_that_is_missing(source: KeySource, place: str) -> None:
    upstreams = {"t600": Upstream(dialect="openai", url="http://127.0.0.1:9", key=source)}
    async with open_sender(upstreams, {}, CODECS) as sender:
        with pytest.raises(UpstreamFault, match=f"t600 has no key; put it into {place}") as caught:
            await gather(sender)
        assert (caught.value.code, caught.value.sent) == (Code.UPSTREAM_AUTH, False)
        assert sender.status["t600"].dialled == 0


async def test_a_request_that_cannot_be_said() -> None:
    async with sender_with(answers(OK)) as (sender, server):
        with pytest.raises(CallerFault):
            async with sender.send(TARGET, request(alias="unspeakable")):
                pass
        with pytest.raises(HouseFault, match="x-beta holds a character"):
            async with sender.send(TARGET, request(alias="injected")):
                pass
        assert server.peers == []


async def test_the_caller_is_told_just_before_the_first_byte_leaves() -> None:
    told: list[int] = []

    async with sender_with(answers(OK), connections=1) as (sender, server):
        async with sender.send(TARGET, request(stream=False), lambda: told.append(len(server.requests))):
            with trio.move_on_after(0.02):
                async with sender.send(TARGET, request(), lambda: told.append(-1)):
                    pass  # it never had a connection
        assert told == [0]


async def test_an_upstream_that_is_not_configured() -> None:
    async with sender_with(answers(OK)) as (sender, _):
        with pytest.raises(HouseFault, match="no upstream is called 'elsewhere'"):
            sender.send(Target("elsewhere", "m"), request())


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"url": "http://a/?k=v"}, "has no query"),
        ({"url": "http://a", "headers": {"Host": "b"}}, "Host can't be set"),
    ],
)
def test_upstreams_that_cannot_be_used(settings: dict[str, object], says: str) -> None:
    upstreams = {"t600": Upstream(dialect="openai", **settings)}  # type: ignore[arg-type]
    with pytest.raises(HouseFault, match=f"upstream t600: .*{says}"):
        PooledSender(upstreams, {}, CODECS)


def test_a_dialect_that_nobody_speaks() -> None:
    with pytest.raises(HouseFault, match="nothing here speaks the dialect openai"):
        PooledSender({"x": Upstream(dialect="openai", url="http://a")}, {}, {})


def error(status: bytes, body: bytes, fields: bytes = b"") -> bytes:
    return b"HTTP/1.1 %s\r\n%scontent-length: %d\r\n\r\n%s" % (status, fields, len(body), body)


async def test_errors_are_read_by_the_codec() -> None:
    async with sender_with(answers(error(b"503 Busy", b"four", b"X-Why: busy\r\n"))) as (sender, _):
        with pytest.raises(UpstreamFault, match="busy4") as caught:
            await gather(sender)
        assert (caught.value.upstream, caught.value.status, caught.value.billed) == ("t600", 503, False)
        assert sender.status["t600"].idle == 1


async def test_a_compressed_error_is_an_error_without_words() -> None:
    async with sender_with(answers(error(b"503 Busy", b"\x1f\x8b", b"content-encoding: gzip\r\n"))) as (sender, _):
        with pytest.raises(UpstreamFault, match=r"^0$") as caught:
            await gather(sender)
        assert caught.value.status == 503


async def test_the_callers_fault() -> None:
    async with sender_with(answers(error(b"400 No", b"not so"))) as (sender, _):
        with pytest.raises(CallerFault, match="not so"):
            await gather(sender)


async def test_a_huge_error_body_is_cut_and_its_connection_closed() -> None:
    async with sender_with(answers(error(b"500 Oh", b"x" * 1_000_000))) as (sender, _):
        with pytest.raises(UpstreamFault, match="65536"):
            await gather(sender)
        assert sender.status["t600"].open == 0


async def test_an_error_body_that_breaks_off() -> None:
    async with sender_with(streams(error(b"500 Oh", b"x" * 100)[:-50]), idle_timeout_s=0.3) as (sender, _):
        with pytest.raises(UpstreamFault, match="50") as caught:
            await gather(sender)
        assert caught.value.status == 500
        assert sender.status["t600"].open == 0


@pytest.mark.parametrize(
    ("reply", "code", "says"),
    [
        (error(b"301 Moved", b"", b"location: http://elsewhere/\r\n"), Code.UPSTREAM_ERROR, "redirects .status 301"),
        (error(b"307 Moved", b""), Code.UPSTREAM_ERROR, "redirects .status 307"),
        (error(b"200 OK", b"x", b"content-encoding: gzip\r\n"), Code.UPSTREAM_GARBAGE, "compressed"),
        (
            error(b"200 OK", b"x", b"content-encoding: identity\r\nContent-Encoding: gzip\r\n"),
            Code.UPSTREAM_GARBAGE,
            "compressed",
        ),
        (error(b"200 OK", b"x", b"content-type: text/html\r\n"), Code.UPSTREAM_GARBAGE, "web page"),
        (b"220 smtp ready\r\n", Code.UPSTREAM_GARBAGE, "can't be read"),
    ],
)
async def test_what_is_no_answer(reply: bytes, code: Code, says: str) -> None:
    async with sender_with(answers(reply)) as (sender, server):
        with pytest.raises(UpstreamFault, match=says) as caught:
            await gather(sender)
        assert (caught.value.code, caught.value.upstream) == (code, "t600")
        assert sender.status["t600"].leased == 0
        assert len(server.requests) == 1


async def test_a_stream_that_ends_without_its_end() -> None:
    async with sender_with(streams(HEAD, *chunked(b"a\n"), LAST)) as (sender, _):
        with pytest.raises(UpstreamFault, match="no END") as caught:
            await gather(sender)
        assert (caught.value.code, caught.value.upstream) == (Code.UPSTREAM_CUT, "t600")


async def test_an_error_in_the_stream_comes_after_what_was_before_it() -> None:
    script = streams(HEAD, *chunked(b"a\nFAIL\n"), LAST)
    async with sender_with(script) as (sender, _), sender.send(TARGET, request()) as reply:
        assert await reply.receive() == [Piece(text="a")]
        for _ in range(2):
            with pytest.raises(UpstreamFault, match="it said so") as caught:
                await reply.receive()
            assert caught.value.upstream == "t600"


STREAM = HEAD + b"".join(chunked(b"a\n", b"b\n" + END)) + LAST
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


@pytest.mark.parametrize(("whole", "stream"), [(STREAM, True), (PLAIN, False)])
async def test_cut_at_every_byte_is_never_a_success(whole: bytes, stream: bool) -> None:
    enough = whole.index(END) + len(END) if stream else len(whole)
    at = 0

    async def cuts(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(whole[:at])

    async with sender_with(cuts) as (sender, _):
        for at in range(len(whole) + 1):
            if at >= enough:
                await gather(sender, stream=stream)
            else:
                with pytest.raises(UpstreamFault) as caught:
                    await gather(sender, stream=stream)
                assert (caught.value.code, caught.value.sent) == (Code.UPSTREAM_CUT, True)
            assert sender.status["t600"].leased == 0


async def test_the_rest_after_the_end_is_drained(patient: None) -> None:
    async with sender_with(streams(HEAD, *chunked(END), LAST)) as (sender, _):
        await gather(sender)
        assert sender.status["t600"].idle == 1


async def test_a_rest_that_does_not_come_is_not_waited_for() -> None:
    async with sender_with(streams(HEAD, *chunked(END))) as (sender, _):
        with trio.fail_after(2):
            assert await gather(sender) == ([], b"")
        assert sender.status["t600"].open == 0


async def test_a_large_rest_is_not_read() -> None:
    async with sender_with(streams(HEAD, *chunked(END, b"x" * 1_000_000))) as (sender, _):
        assert await gather(sender) == ([], b"")
        assert sender.status["t600"].open == 0


async def test_a_rest_that_breaks_off_does_no_harm() -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(HEAD + chunked(END)[0])
        await trio.sleep(0.01)

    async with sender_with(script) as (sender, _):
        assert await gather(sender) == ([], b"")
        assert sender.status["t600"].open == 0


async def test_leaving_early_closes_the_connection() -> None:
    async with sender_with(streams(HEAD, *chunked(b"a\n"), *chunked(b"b\n") * 50)) as (sender, _):
        async with sender.send(TARGET, request()) as reply:
            assert await reply.receive() == [Piece(text="a")]
        assert sender.status["t600"].open == 0


async def test_a_cancelled_request_leaves_the_pool_clean() -> None:
    async with sender_with(reads_only, answers(OK)) as (sender, _):
        with trio.move_on_after(0.05):
            await gather(sender)
        assert sender.status["t600"].open == 0
        assert await gather(sender, stream=False) == (["ok"], b"ok")


@pytest.mark.parametrize("free", [True, False])
async def test_only_what_is_free_is_sent_again(free: bool) -> None:
    async def once(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(OK)
        await peer.read_request()

    async with sender_with(once, answers(OK), free=free) as (sender, server):
        await gather(sender, stream=False)
        if free:
            await gather(sender, stream=False)
        else:
            with pytest.raises(UpstreamFault, match="before it answered"):
                await gather(sender, stream=False)
        assert len(server.requests) == (3 if free else 2)


async def test_unreachable() -> None:
    upstreams = {"t600": Upstream(dialect="ollama", url="http://127.0.0.1:1")}
    async with open_sender(upstreams, {}, CODECS) as sender:
        with pytest.raises(UpstreamFault, match=r"t600 \(127.0.0.1:1\) can't be reached") as caught:
            await gather(sender)
        assert (caught.value.code, caught.value.sent) == (Code.UPSTREAM_UNREACHABLE, False)
        assert sender.status["t600"].failed == 1


async def test_closed_before_the_head() -> None:
    async with sender_with(closes) as (sender, _):
        with pytest.raises(UpstreamFault) as caught:
            await gather(sender)
        assert (caught.value.code, caught.value.sent, caught.value.billed) == (Code.UPSTREAM_CUT, True, True)
        await wait_all_tasks_blocked()


def test_how_long_an_answer_may_take() -> None:
    streamed, plain = plan_timeouts(Upstream(dialect="ollama", url="http://a"))
    assert (streamed.head_s, streamed.idle_s, streamed.whole_s) == (300, 60, float("inf"))
    assert (plain.head_s, plain.whole_s) == (900, 900)
    streamed, plain = plan_timeouts(Upstream(dialect="openai", url="http://a"))
    assert (streamed.head_s, streamed.queue_s) == (120, 120)
    assert (plain.head_s, plain.whole_s, plain.idle_s) == (600, 600, 60)


def test_a_route_shows_no_key() -> None:
    sender = PooledSender({"x": Upstream(dialect="openai", url="http://a")}, {"x": "sk-canary"}, CODECS)
    assert "canary" not in repr(sender.__dict__)
    assert msgspec.structs.asdict(sender.pools["x"].settings)["upstream"] == "x"
