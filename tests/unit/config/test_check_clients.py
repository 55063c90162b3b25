"""Clients in the configuration, and addresses that others can reach."""

import pytest

from lodestard.config import ConfigError, build
from lodestard.config.source import Source
from lodestard.domain.settings import Settings
from lodestard.start import listen_on

DIGEST = "0" * 64
OTHER = "a" * 64


def faults(text: str) -> dict[str, str]:
    try:
        loaded = build([Source("x.toml", text)])
    except ConfigError as error:
        return {fault.key: fault.message for fault in error.faults}
    return {fault.key: fault.message for fault in loaded.warnings if fault.key.startswith("clients")}


@pytest.mark.parametrize("address", ["0.0.0.0:4000", "192.168.1.5:4000", "[::]:4000"])
def test_an_address_that_others_can_reach_needs_a_client_with_a_key(address: str) -> None:
    text = f'[server]\nlisten = ["{address}"]\n'
    (message,) = faults(text).values()
    assert message.startswith("not a loopback address")
    assert "lodestarctl keys add" in message
    assert faults(f'{text}[clients.laptop]\nkey_sha256 = "{DIGEST}"\n') == {}
    with pytest.raises(ConfigError, match="not a loopback address"):
        listen_on(Settings(), address)
    keyed = build([Source("x", f'[clients.a]\nkey_sha256 = "{DIGEST}"')]).settings
    assert listen_on(keyed, address).server.listen == (address,)


@pytest.mark.parametrize(
    ("member", "key", "words"),
    [
        ('key_sha256 = "lodestar-abc"', "key_sha256", "64 hexadecimal"),
        (f'key_sha256 = "{OTHER.upper()}"', "key_sha256", "lower case"),
        (f'key_sha256 = "{OTHER}"\nexpires = "2026-13-01"', "expires", "a day such as"),
        (f'key_sha256 = "{OTHER}"\nexpires = "20261201"', "expires", "a day such as"),
        (f'key_sha256 = "{OTHER}"\nexpires = 2026-12-01', "expires", "expected"),
        (f'key_sha256 = "{OTHER}"\nproject = "a\\u001bb"', "project", "64 printable"),
        (f'key_sha256 = "{OTHER}"\nuser = "{"u" * 65}"', "user", "64 printable"),
        (f'key_sha256 = "{OTHER}"\nmodels = ["nobody"]', "models[0]", "no alias"),
        (f'key_sha256 = "{OTHER}"\npriority = "high"', "priority", "expected one of"),
        (f'key_sha256 = "{OTHER}"\nrequests_per_minute = 0', "requests_per_minute", "1"),
        ("", "key_sha256", "is missing"),
    ],
)
def test_what_is_wrong_with_a_client(member: str, key: str, words: str) -> None:
    found = faults(f"[clients.ann]\n{member}\n")
    assert words in found[f"clients.ann.{key}"]
    assert "lodestar-abc" not in str(found)


@pytest.mark.parametrize("name", ["local", "lodestarctl", '"a b"', f'"{"n" * 65}"'])
def test_names_that_no_client_can_have(name: str) -> None:
    assert faults(f'[clients.{name}]\nkey_sha256 = "{DIGEST}"\n')


def test_a_key_is_one_client_s() -> None:
    text = "".join(f'[clients.{name}]\nkey_sha256 = "{DIGEST}"\n' for name in ("ann", "bob"))
    assert faults(text) == {"clients.bob.key_sha256": "'ann' has the same key"}


def test_an_address_under_tls_needs_a_certificate() -> None:
    listen = '[server]\nlisten = ["https://127.0.0.1:4443"]\n'
    assert "needs a certificate" in faults(listen)["server.listen[0]"]
    assert faults(f'{listen}[server.tls]\ncert_file = "/c.pem"\n') == {}
    assert "absolute path" in faults(f'{listen}[server.tls]\ncert_file = "c.pem"\n')["server.tls.cert_file"]
    assert "without cert_file" in faults('[server.tls]\nkey_file = "/k.pem"\n')["server.tls.key_file"]
