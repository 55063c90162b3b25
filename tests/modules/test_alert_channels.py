"""The ways to a person: what goes over the wire to webhooks and mail servers, and what is said when it fails."""

import email
import email.policy
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.news import Alert
from lodestard.domain.secret import Secret
from lodestard.domain.settings import KeySource
from lodestard.modules.alerts import channels
from lodestard.modules.alerts.channels import EmailChannel, WebhookChannel
from lodestard.modules.alerts.delivery import Channel, DeliveryError, open_channels
from lodestard.modules.alerts.letters import write_letter, write_mail
from lodestard.modules.alerts.notice import presentable
from lodestard.modules.alerts.settings import AlertsSettings, Email, Webhook
from tests.fakes.certificate import make_certificate
from tests.fakes.mail_server import PASSWORD, USER, MailServer, mail_server
from tests.fakes.rooms import ScriptedSender, make_runtime
from tests.fakes.scripted_server import OK, Peer, answers, listening, reads_only

AT_MS = 1_763_726_400_123  # 2025-11-21 12:00:00.123 UTC
KEY = "T00/B00/canary-31"
ALERT = Alert(
    key="budget:team::usd:0:80",
    topic="budget:team::usd",
    source="budget",
    severity="warning",
    title="Budget team: 80 % of its limit",
    text="<b>$8</b> & more",
    figures={"level": 80},
)
Certificate = tuple[Path, Path]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


async def deliver(make: Any, settings: Webhook | Email, *, secret: str = "") -> None:
    """One delivery by a channel of its own."""

    def reveal(source: KeySource) -> Secret:
        if not secret:
            raise LookupError(f"the environment variable {source.env} is not set")
        return Secret(secret)

    async with trio.open_nursery() as nursery:
        runtime = replace(make_runtime(nursery, ScriptedSender({})), secret=reveal)
        channel: Channel = make(runtime, settings)
        with trio.fail_after(20):
            await channel.deliver(ALERT, AT_MS)


async def why_not(make: Any, settings: Webhook | Email, *, secret: str = "") -> str:
    with pytest.RaisesGroup(DeliveryError) as caught:
        await deliver(make, settings, secret=secret)
    (error,) = caught.value.exceptions
    assert not secret or secret not in str(error)
    return str(error)


# -- webhooks ----------------------------------------------------------------------------------------------------


async def test_a_webhook_gets_json() -> None:
    async with listening(answers(OK)) as (server, port):
        await deliver(WebhookChannel, Webhook(url=f"http://127.0.0.1:{port}/hook?a=1"))
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /hook?a=1 HTTP/1.1\r\n")
    assert b"content-type: application/json" in head
    assert b"authorization" not in head.lower()
    assert msgspec.json.decode(body) == {
        "key": ALERT.key,
        "source": "budget",
        "severity": "warning",
        "title": ALERT.title,
        "text": ALERT.text,
        "at": "2025-11-21T12:00:00.123Z",
        "figures": {"level": 80},
    }


async def test_its_key_is_a_bearer_token_or_stands_in_the_url(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    source = KeySource(env="HOOK")
    async with listening(answers(OK)) as (server, port):
        base = f"http://127.0.0.1:{port}"
        await deliver(WebhookChannel, Webhook(url=f"{base}/hook", key=source), secret=KEY)
        await deliver(WebhookChannel, Webhook(url=f"{base}/services/{{key}}", key=source, format="slack"), secret=KEY)
    assert f"authorization: Bearer {KEY}\r\n".encode() in server.requests[0]
    assert server.requests[1].startswith(f"POST /services/{KEY} HTTP/1.1".encode())
    assert b"authorization" not in server.requests[1].lower()
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", "it redirects (302)"),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno", "it answers 404"),
        (b"garbage\r\n\r\n", "can't be read"),
    ],
)
async def test_what_a_webhook_answers(answer: bytes, says: str) -> None:
    async with listening(answers(answer)) as (_, port):
        url = f"http://127.0.0.1:{port}/{{key}}"
        assert says in await why_not(WebhookChannel, Webhook(url=url, key=KeySource(env="HOOK")), secret=KEY)


async def test_a_webhook_that_never_ends_or_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def floods(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.send(b"x" * 65_536)

    async with listening(floods) as (_, port):
        with trio.fail_after(10):
            await deliver(WebhookChannel, Webhook(url=f"http://127.0.0.1:{port}/"))
    monkeypatch.setattr(channels, "WEBHOOK_S", 0.2)
    async with listening(reads_only) as (_, port):
        told = await why_not(WebhookChannel, Webhook(url=f"http://127.0.0.1:{port}/"))
        assert "0.2 s" in told


async def test_a_webhook_that_is_not_there_or_has_no_key() -> None:
    assert "webhook (127.0.0.1:1) can't be reached" in await why_not(
        WebhookChannel, Webhook(url="http://127.0.0.1:1/")
    )
    settings = Webhook(url="http://127.0.0.1:1/{key}", key=KeySource(env="HOOK"))
    assert await why_not(WebhookChannel, settings) == "the environment variable HOOK is not set"


def test_slack_and_discord_and_ntfy() -> None:
    slack = msgspec.json.decode(write_letter(ALERT, AT_MS, "slack").body)
    assert slack == {"text": "🟠 *Budget team: 80 % of its limit*\n&lt;b&gt;$8&lt;/b&gt; &amp; more"}
    discord = msgspec.json.decode(write_letter(ALERT, AT_MS, "discord").body)
    assert discord["allowed_mentions"] == {"parse": []}
    assert discord["content"] == "🟠 **Budget team: 80 % of its limit**\n<b>$8</b> & more"
    ntfy = write_letter(ALERT, AT_MS, "ntfy")
    assert (ntfy.body, ntfy.headers["title"], ntfy.headers["priority"]) == (ALERT.text.encode(), ALERT.title, "4")


@given(st.text(max_size=300), st.text(max_size=3_000))
def test_no_name_adds_a_header_or_breaks_a_body(title: str, text: str) -> None:
    alert = presentable(msgspec.structs.replace(ALERT, title=title, text=text))
    ntfy = write_letter(alert, AT_MS, "ntfy")
    assert ntfy.headers["title"].isascii()
    assert ntfy.headers["title"].isprintable()
    assert len(msgspec.json.decode(write_letter(alert, AT_MS, "discord").body)["content"]) <= 2_000
    assert not set("<>") & set(msgspec.json.decode(write_letter(alert, AT_MS, "slack").body)["text"])
    mail = email.message_from_bytes(write_mail(alert, AT_MS, MAIL).as_bytes(), policy=email.policy.default)
    assert set(mail.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type",
        "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip


# -- mail --------------------------------------------------------------------------------------------------------

MAIL = Email(host="127.0.0.1", sender="lodestar@example.com", to=("me@example.com", "you@example.com"), timeout_s=5.0)


def of(server: MailServer, **members: Any) -> Email:
    return msgspec.structs.replace(MAIL, port=server.port, **members)


@pytest.fixture
def plain() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


async def test_a_mail_goes_out_plain(plain: MailServer) -> None:
    await deliver(EmailChannel, of(plain, tls="none"))
    envelope = [line for line in plain.lines if line.startswith(("mail ", "rcpt ", "MAIL ", "RCPT "))]
    assert [line.partition(":")[2].split()[0] for line in envelope] == [
        "<lodestar@example.com>", "<me@example.com>", "<you@example.com>",
    ]  # fmt: skip
    mail = email.message_from_bytes(plain.mails[0], policy=email.policy.default)
    assert mail["Subject"] == "[Lodestar] Budget team: 80 % of its limit"
    assert mail["Date"].datetime.isoformat() == "2025-11-21T12:00:00+00:00"
    assert ALERT.text in str(mail.get_content())
    await deliver(EmailChannel, of(plain, tls="none"))
    again = email.message_from_bytes(plain.mails[1], policy=email.policy.default)
    assert again["Message-ID"] == mail["Message-ID"]


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_mail_goes_out_over_tls_with_a_password(tls: str, certificate: Certificate) -> None:
    source = KeySource(env="MAIL")
    with mail_server(certificate, implicit=tls == "tls") as server:
        settings = of(server, tls=tls, user=USER, password=source, ca_file=str(certificate[0]))
        await deliver(EmailChannel, settings, secret=PASSWORD)
        assert (len(server.mails), server.secure) == (1, [True])
        refused = await why_not(EmailChannel, settings, secret="wrong-canary")
        assert refused == "it refuses the user or the password (535)"
        untrusted = await why_not(EmailChannel, msgspec.structs.replace(settings, ca_file=""), secret=PASSWORD)
        assert "certificate is not trusted" in untrusted
        named = await why_not(EmailChannel, msgspec.structs.replace(settings, host="localhost"), secret=PASSWORD)
        assert "certificate is not trusted" in named
        assert len(server.mails) == 1
        assert not [line for line in server.lines if line.startswith("AUTH") and not server.secure]


async def test_starttls_is_never_left_out(plain: MailServer) -> None:
    assert "no STARTTLS" in await why_not(EmailChannel, of(plain))
    assert plain.mails == []


@pytest.mark.parametrize(
    ("refuse", "says"),
    [
        ({"MAIL": "451 later"}, "it answers 451"),
        ({"RCPT": "550 nobody"}, "it refuses every recipient (550, 550)"),
        ({"DATA": "554 no"}, "it answers 554"),
    ],
)
async def test_what_a_mail_server_refuses(plain: MailServer, refuse: dict[str, str], says: str) -> None:
    plain.refuse = refuse
    assert await why_not(EmailChannel, of(plain, tls="none")) == says


async def test_one_recipient_is_enough(plain: MailServer) -> None:
    plain.refuse = {"RCPT TO:<YOU": "550 nobody"}
    await deliver(EmailChannel, of(plain, tls="none"))
    assert len(plain.mails) == 1


async def test_a_mail_server_that_is_not_there_or_says_nothing() -> None:
    assert await why_not(EmailChannel, msgspec.structs.replace(MAIL, port=1)) == "Connection refused"
    async with listening(reads_only) as (_, port):
        settings = msgspec.structs.replace(MAIL, port=port, timeout_s=0.2)
        assert "timed out" in await why_not(EmailChannel, settings)
    assert "is not set" in await why_not(
        EmailChannel, msgspec.structs.replace(MAIL, user="me", password=KeySource(env="MAIL"))
    )


# -- settings ----------------------------------------------------------------------------------------------------


async def test_only_what_is_set_up_is_there(nursery: trio.Nursery) -> None:
    runtime = make_runtime(nursery, ScriptedSender({}))
    assert open_channels(runtime, AlertsSettings()) == ()
    both = AlertsSettings(webhook=Webhook(url="https://a/b"), email=MAIL)
    assert [channel.name for channel in open_channels(runtime, both)] == ["webhook", "email"]


@pytest.mark.parametrize(
    ("kind", "members", "says"),
    [
        (Webhook, {"url": "http://example.com/"}, "url"),
        (Webhook, {"url": "example.com"}, "url"),
        (Webhook, {"url": "https://a/{key}"}, "no key"),
        (Email, {"host": "a b", "from": "a@b", "to": ["a@b"]}, "host"),
        (Email, {"host": "mail", "from": "a@b"}, "to"),
        (Email, {"host": "mail", "from": "a@b\nBcc: c@d", "to": ["a@b"]}, "from"),
        (Email, {"host": "mail", "from": "a@b", "to": ["a@b, c@d"]}, "to"),
        (Email, {"host": "mail", "from": "a@b", "to": ["a@b"], "user": "me"}, "go together"),
        (
            Email,
            {"host": "mail", "from": "a@b", "to": ["a@b"], "user": "me", "password": {"env": "X"}, "tls": "none"},
            "readable",
        ),
    ],
)
def test_settings_that_can_t_be(kind: Any, members: dict[str, Any], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(members, kind)
