"""The Host allow-list and the Origin rule."""

import pytest

from lodestard.domain.errors import Code
from lodestard.domain.settings import Limits
from lodestard.http.door import Door
from lodestard.http.head import read_head

DOOR = Door(frozenset({"Box.lan", "192.168.1.5", "[fd00::5]"}), frozenset({"https://UI.example/"}))


def check(door: Door, host: str, **fields: str) -> Code | None:
    lines = ["GET / HTTP/1.1", f"Host: {host}", *(f"{name.replace('_', '-')}: {fields[name]}" for name in fields)]
    fault = door.check(read_head(("\r\n".join(lines) + "\r\n\r\n").encode(), Limits()))
    return fault.code if fault else None


@pytest.mark.parametrize(
    "host",
    [
        *(
            "localhost",
            "LOCALHOST:4000",
            "localhost.",
            "localhost.:80",
            "app.localhost",
            "127.0.0.1:4000",
            "127.1.2.3",
        ),
        *("[::1]", "[::1]:4000", "[0:0:0:0:0:0:0:1]:1", "box.lan", "BOX.LAN:1", "192.168.1.5:4000", "[fd00::5]:1"),
    ],
)
def test_hosts_that_are_ours(host: str) -> None:
    assert check(DOOR, host) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "evil-localhost", "127.0.0.1.evil.example", "10.0.0.1", "[::2]:1"],
)
def test_hosts_that_are_not(host: str) -> None:
    assert check(DOOR, host) is Code.FORBIDDEN_HOST
    assert check(Door(None, frozenset()), host) is None


def test_no_host_is_no_browser() -> None:
    assert DOOR.check(read_head(b"GET / HTTP/1.0\r\n\r\n", Limits())) is None


@pytest.mark.parametrize(
    ("fields", "forbidden"),
    [
        ({}, False),
        ({"Origin": "http://localhost:4000"}, False),
        ({"Origin": "HTTP://LOCALHOST:4000"}, False),
        ({"Origin": "http://localhost:3000"}, True),
        ({"Origin": "http://evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": ""}, True),
        ({"Origin": "https://ui.example"}, False),
        ({"Origin": "https://ui.example", "Sec_Fetch_Site": "cross-site"}, False),
        ({"Origin": "http://localhost:4000", "Sec_Fetch_Site": "cross-site"}, True),
        ({"Sec_Fetch_Site": "Cross-Site"}, True),
        ({"Sec_Fetch_Site": "same-origin"}, False),
        ({"Sec_Fetch_Site": "none"}, False),
    ],
)
def test_origins(fields: dict[str, str], forbidden: bool) -> None:
    assert check(DOOR, "localhost:4000", **fields) is (Code.FORBIDDEN_ORIGIN if forbidden else None)
