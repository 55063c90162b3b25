"""What must not be in a backup is found in a configuration; what the example has is not taken for it."""

from pathlib import Path

import pytest

from lodestard.store.backup_secrets import find_secrets

EXAMPLE = Path(__file__).parents[3] / "config/lodestard.toml"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('[upstreams.a]\nkey = "abc"', "upstreams.a.key"),
        ('[upstreams.a.headers]\nAuthorization = "Basic abc"', "upstreams.a.headers.Authorization"),
        ('[upstreams.a.headers]\nx-api-key = "abc"', "upstreams.a.headers.x-api-key"),
        ('[upstreams.a]\nurl = "https://me:pw@host/v1"', "upstreams.a.url"),
        ('[upstreams.a]\nurl = "https://host/v1?api_key=abcdef"', "upstreams.a.url"),
        (
            '[modules.alerts.webhook]\nurl = "https://hooks.slack.com/services/T0/B0/xyz"',
            "modules.alerts.webhook.url",
        ),
        ('[modules.alerts.email]\npassword = "abc"', "modules.alerts.email.password"),
        ('[x]\nlist = ["a", "sk-abcdefghijklmnopqrstuvwx"]', "x.list"),
    ],
)
def test_found(text: str, where: str) -> None:
    assert find_secrets(text) == [where]


@pytest.mark.parametrize(
    "text",
    [
        '[upstreams.a]\nkey = { env = "OPENAI_API_KEY" }',
        '[upstreams.a]\nkey = { file = "/etc/lodestard/openai.key" }',
        '[clients.laptop]\nkey_sha256 = "0f"',
        '[server.tls]\nkey_file = "/etc/lodestard/privkey.pem"',
        '[modules.alerts.webhook]\nurl = "https://hooks.slack.com/services/{key}"',
        '[upstreams.a]\nkeep_alive = "10m"\nurl = "http://127.0.0.1:11434"',
        'key = ""',
    ],
)
def test_harmless(text: str) -> None:
    assert find_secrets(text) == []


def test_the_example_goes_into_a_backup() -> None:
    text = EXAMPLE.read_text()
    assert find_secrets(text) == []


def test_what_is_no_toml_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected"):
        find_secrets("no toml")


@pytest.mark.parametrize(
    "text",
    ['a = 1\n# key = "sk-abcdefghijklmnopqrstuvwx"', 'a = 1\nb = 2  # url = "https://me:pw@host/v1"'],
)
def test_one_that_was_commented_out_is_found(text: str) -> None:
    assert find_secrets(text) == ["line 2"]
