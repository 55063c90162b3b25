"""What the types can't say."""

import pytest

from lodestard.config import ConfigError, build
from lodestard.config.listen import ListenAddress, parse_listen
from lodestard.config.source import Source

UPSTREAM = '[upstreams.a]\ndialect = "openai"\nurl = "https://a.example/v1"\n'
AUTO = '[models.auto]\nroute = ["a/m"]\n'
PRICE = '[prices."a/m"]\ninput = 1\noutput = 2\n'


def fault_keys(text: str) -> dict[str, str]:
    try:
        build([Source("x.toml", text)])
    except ConfigError as error:
        return {fault.key: fault.message for fault in error.faults}
    return {}


def warnings(text: str) -> dict[str, str]:
    return {fault.key: fault.message for fault in build([Source("x.toml", text)]).warnings}


def test_a_whole_configuration_has_nothing_to_say() -> None:
    assert warnings(UPSTREAM + AUTO + PRICE) == {}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:4000", ListenAddress("127.0.0.1", 4000)),
        ("localhost:0", ListenAddress("127.0.0.1", 0)),
        ("[::1]:65535", ListenAddress("::1", 65535)),
        ("https://127.0.0.1:4443", ListenAddress("127.0.0.1", 4443, secure=True)),
    ],
)
def test_listen_addresses(text: str, address: ListenAddress) -> None:
    assert parse_listen(text) == address
    assert address.loopback


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4000",
        ":4000",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "::1:4000",
        "[127.0.0.1]:1",
        "x:1",
        "127.0.0.1:٣",
    ],
)
def test_what_is_no_listen_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|brackets"):
        parse_listen(text)
    assert "server.listen[0]" in fault_keys(f'[server]\nlisten = ["{text}"]\n')


@pytest.mark.parametrize("text", ["0.0.0.0:4000", "192.168.1.5:4000", "[::]:4000"])
def test_the_proxy_refuses_addresses_that_others_can_reach(text: str) -> None:
    (message,) = fault_keys(f'[server]\nlisten = ["{text}"]\n').values()

    assert message.startswith("not a loopback address")


def test_server_and_places() -> None:
    text = """
state_dir = "x"
[server]
listen = []
allowed_hosts = ["a b", "ok.lan"]
allowed_origins = ["x", "http://a/b", "http://a"]
[control]
socket = "y"
"""

    assert set(fault_keys(text)) == {
        "state_dir",
        "control.socket",
        "server.listen",
        "server.allowed_hosts[0]",
        "server.allowed_origins[0]",
        "server.allowed_origins[1]",
    }


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("a.example", "starts with http"),
        ("ftp://a", "starts with http"),
        ("http://a:port", "starts with http"),
        ("https://", "host name"),
        ("https://ä.example", "host name"),
        ("https://user:sk-secret@a", "user name or password"),
        ("https://a/v1?key=x", "no query"),
        ("https://a/v1#x", "no query"),
        ("https://a/v 1", "no spaces"),
    ],
)
def test_urls_that_can_not_be_an_upstream_s(url: str, message: str) -> None:
    found = fault_keys(f'[upstreams.a]\ndialect = "openai"\nurl = "{url}"\n')

    assert message in found["upstreams.a.url"]
    assert "sk-secret" not in str(found)


@pytest.mark.parametrize(
    ("key", "where"),
    [
        ("{}", ""),
        ('{ env = "A", file = "/x" }', ""),
        ('{ credential = "a/b" }', ".credential"),
        ('{ credential = ".." }', ".credential"),
        ('{ env = "sk-ant-123" }', ".env"),
        ('{ file = "key" }', ".file"),
    ],
)
def test_key_sources(key: str, where: str) -> None:
    found = fault_keys(UPSTREAM + f"key = {key}\n")

    assert set(found) == {f"upstreams.a.key{where}"}
    assert "sk-ant" not in str(found)


def test_upstreams_odds_and_ends() -> None:
    text = UPSTREAM + 'ca_file = "x"\nkeep_alive = "300"\n'
    text += 'headers = { Host = "x", "a b" = "c", x = "\\n", ok = "fine" }\n'
    text += '[upstreams."b/c"]\ndialect = "ollama"\nurl = "http://b"\n'

    assert set(fault_keys(text)) == {
        "upstreams.a.ca_file",
        "upstreams.a.keep_alive",
        "upstreams.a.headers.Host",
        'upstreams.a.headers."a b"',
        "upstreams.a.headers.x",
        'upstreams."b/c"',
    }


@pytest.mark.parametrize(("url", "warned"), [("http://127.0.0.1:8080/v1", False), ("http://192.168.1.2/v1", True)])
def test_a_key_sent_unencrypted_is_a_warning(url: str, warned: bool) -> None:
    text = f'[upstreams.a]\ndialect = "openai"\nurl = "{url}"\nkey = {{ env = "A" }}\n' + AUTO + PRICE

    assert set(warnings(text)) == ({"upstreams.a.url"} if warned else set())


def test_paid_targets_without_a_price_are_a_warning() -> None:
    no_price = {"models.auto.route[0]": 'no price: a/m is refused until [prices."a/m"] says what it costs'}
    own = UPSTREAM.replace("https://a.example", "http://192.168.1.7:8000")

    assert warnings(UPSTREAM + AUTO + "[price_book]\nenabled = false\n") == no_price
    assert warnings(own + AUTO) == no_price
    assert warnings(own + AUTO + "[price_book.ceiling]\ninput = 30\noutput = 150\n") == {}
    assert warnings(own + 'price_provider = "openai"\n' + AUTO) == {}
    assert warnings(UPSTREAM + AUTO) == {}, "the price list may know it"


def test_prices_of_free_upstreams_and_a_missing_auto_are_warnings() -> None:
    assert set(warnings(UPSTREAM + "free = true\n" + PRICE)) == {'prices."a/m"', "models"}


def test_models_prices_and_the_baseline() -> None:
    text = (
        UPSTREAM
        + '[models."gpt#4"]\nroute = ["a/m"]\n[models."a b"]\nroute = ["a/m"]\n[models.c]\nroute = ["b/m"]\n'
        + PRICE
    )
    text += '[prices.x]\ninput = -1\noutput = 1e11\n[ledger]\nbaseline = "a/n"\n[price_book]\nenabled = false\n'

    assert fault_keys(text) == {
        'models."gpt#4"': "an alias has up to 200 printable ASCII characters, no space and no '#' (tags follow it)",
        'models."a b"': "an alias has up to 200 printable ASCII characters, no space and no '#' (tags follow it)",
        "models.c.route[0]": "no upstream 'b'",
        "prices.x": 'the name of a price is "upstream/model"',
        "prices.x.input": "expected US dollars per million tokens, from 0 up",
        "prices.x.output": "expected US dollars per million tokens, from 0 up",
        "ledger.baseline": "the baseline has no price; did you mean 'a/m'?",
    }


def test_a_price_has_both_rates_or_bounds_alone() -> None:
    bounds = '[prices."a/m"]\nmax_output_tokens = 100\nmax_reasoning_tokens = 0\n'
    off = "[price_book]\nenabled = false\n"

    assert warnings(UPSTREAM + AUTO + bounds) == {}
    assert 'prices."a/m"' in warnings(UPSTREAM + AUTO + bounds + off)
    assert 'prices."a/m"' in fault_keys(UPSTREAM + AUTO + '[prices."a/m"]\ninput = 1\n')
    assert 'prices."a/m"' in fault_keys(UPSTREAM + AUTO + '[prices."a/m"]\ncache_read = 1\n')
    assert fault_keys(UPSTREAM + AUTO + '[ledger]\nbaseline = "sonnet"\n') == {
        "ledger.baseline": 'expected "upstream/model"'
    }


def test_every_rate_is_looked_at() -> None:
    text = UPSTREAM + AUTO + PRICE + "request = -1\naudio_input = -1\n"
    text += '[[prices."a/m".tiers]]\nabove_prompt_tokens = 10\ninput = -2\n'
    text += '[[prices."a/m".tiers]]\nabove_prompt_tokens = 10\n'
    text += '[prices."a/m".service_tiers.priority]\noutput = -3\n'
    text += '[[prices."a/m".service_tiers.priority.tiers]]\nabove_prompt_tokens = 9\nreasoning = -4\n'
    text += "[price_book.ceiling]\ninput = -5\noutput = 1\n"

    assert set(fault_keys(text)) == {
        'prices."a/m".request',
        'prices."a/m".audio_input',
        'prices."a/m".tiers[0].input',
        'prices."a/m".tiers',
        'prices."a/m".service_tiers.priority.output',
        'prices."a/m".service_tiers.priority.tiers[0].reasoning',
        "price_book.ceiling.input",
    }


def test_an_entry_must_fit_in_its_cache() -> None:
    assert set(fault_keys("[cache]\nmax_bytes = 10\n")) == {"cache.max_entry_bytes"}
    assert set(fault_keys("[cache]\ndisk = false\nmemory_bytes = 10\n")) == {"cache.max_entry_bytes"}
    assert fault_keys("[cache]\nmemory_bytes = 10\n") == {}
