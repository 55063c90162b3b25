"""OpenAI's SDK with a client's key, over TLS: what its users see when the key is right, wrong or revoked."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from lodestard.domain.client import digest_of, write_key
from tests.clients.conftest import MODELS
from tests.fakes.certificate import make_certificate
from tests.fakes.ports import free_port
from tests.fakes.process import QUIET, Daemon, World, overlay

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello with a key"}]
RIGHT, GONE, WRONG = (write_key(bytes([number] * 20)) for number in range(3))


@pytest.fixture
def keyed(world: World, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon of its own that asks for keys."""
    clients = {
        "laptop": {"key_sha256": digest_of(RIGHT).hex(), "models": ["local-llama"]},
        "gone": {"key_sha256": digest_of(GONE).hex(), "enabled": False},
    }
    daemon = Daemon(tmp_path, overlay(overlay(world.settings(), QUIET), {"models": MODELS, "clients": clients}))
    try:
        yield daemon
    finally:
        daemon.end()


def test_keys(keyed: Daemon) -> None:
    cert, key = make_certificate(keyed.folder)
    listen = [f"127.0.0.1:{keyed.port}", f"https://127.0.0.1:{free_port()}"]
    keyed.write({"server": {"listen": listen, "tls": {"cert_file": str(cert), "key_file": str(key)}}})
    keyed.start()
    trust = ssl.create_default_context(cafile=str(cert))
    for base in (f"http://{listen[0]}", listen[1]):
        with (
            openai.DefaultHttpxClient(verify=trust) as http,
            OpenAI(base_url=f"{base}/v1", api_key=RIGHT, max_retries=0, timeout=10, http_client=http) as client,
        ):
            said = client.chat.completions.create(model="local-llama", messages=HELLO)
            assert "Hello with a key" in (said.choices[0].message.content or "")
            stream = client.chat.completions.create(model="local-llama", messages=HELLO, stream=True)
            assert [choice.finish_reason for chunk in stream for choice in chunk.choices][-1] == "stop"
            assert [model.id for model in client.models.list()] == ["local-llama"]
            with pytest.raises(openai.NotFoundError):
                client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
            for other in (WRONG, GONE):
                refused = client.with_options(api_key=other)
                with pytest.raises(openai.AuthenticationError) as told:
                    refused.chat.completions.create(model="local-llama", messages=HELLO)
                assert told.value.code == "invalid_api_key"
    assert {row["principal"] for row in keyed.rows()} == {"laptop"}
