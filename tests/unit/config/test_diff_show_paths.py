"""What a reload would change, what is in effect and where it was said, and where things are."""

from decimal import Decimal
from pathlib import Path

import pytest

from lodestard.config import build
from lodestard.config.diff import RESTART, diff, needs_restart
from lodestard.config.paths import demo_paths, find_paths
from lodestard.config.show import show
from lodestard.config.source import Source
from lodestard.domain.settings import Cache, Control, KeySource, ModelPrice, Server, Settings, Upstream


def test_no_change() -> None:
    assert diff(Settings(), Settings(cache=Cache(ttl_s=86_400.0))).changed == ()


def test_changed_keys_and_those_that_need_a_restart() -> None:
    old = Settings(prices={"a/b": ModelPrice(input=Decimal(1), output=Decimal(2))})
    new = Settings(
        prices={"a/b": ModelPrice(input=Decimal("1.5"), output=Decimal(2), cache_read=Decimal(0))},
        server=Server(listen=("127.0.0.1:4001",), drain_s=5.0),
        control=Control(socket="/x", admin_groups=()),
        upstreams={"b.c": Upstream(dialect="openai", url="https://a", key=KeySource(env="X"))},
    )

    changes = diff(old, new)

    assert changes.need_restart == ("control.admin_groups", "control.socket", "server.listen")
    assert set(changes.changed) >= {
        "control.admin_groups",
        "control.socket",
        'prices."a/b".cache_read',
        'prices."a/b".input',
        "server.drain_s",
        "server.listen",
        'upstreams."b.c".url',
        'upstreams."b.c".key.env',
    }
    assert 'prices."a/b".output' not in changes.changed
    assert diff(new, old).changed == tuple(sorted({*changes.changed}))


def test_a_name_that_begins_like_another_needs_no_restart() -> None:
    assert needs_restart("server.limits.json_depth")
    assert not needs_restart("server.listening")
    assert all(needs_restart(key) for key in RESTART)


def test_show_has_every_key_in_effect_with_its_origin() -> None:
    text = '[cache]\nttl_s = 60\n[prices."a/b"]\ninput = 0.10\noutput = 2\n'
    shown = {one.key: one for one in show(build([Source("x.toml", text)]))}

    assert (shown["cache.ttl_s"].value, shown["cache.ttl_s"].origin) == (60.0, "x.toml:2")
    assert (shown["cache.enabled"].value, shown["cache.enabled"].origin) == (True, "default")
    assert shown['prices."a/b".input'].value == "0.10"
    assert shown["server.listen"].value == ["127.0.0.1:4000"]
    assert 'prices."a/b".cache_read' not in shown


@pytest.mark.parametrize(
    ("environ", "uid", "places"),
    [
        ({}, 0, ("/etc/lodestard/lodestard.toml", "/var/lib/lodestard", "/run/lodestard.sock")),
        ({"STATE_DIRECTORY": "/s/a:/s/b"}, 990, ("/etc/lodestard/lodestard.toml", "/s/a", "/run/lodestard.sock")),
        (
            {"HOME": "/h", "XDG_CONFIG_HOME": "relative"},
            1000,
            (
                "/h/.config/lodestard/lodestard.toml",
                "/h/.local/state/lodestard",
                "/h/.local/state/lodestard/lodestard.sock",
            ),
        ),
        (
            {"HOME": "/h", "XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r"},
            1000,
            ("/c/lodestard/lodestard.toml", "/s/lodestard", "/r/lodestard.sock"),
        ),
    ],
)
def test_where_things_are(environ: dict[str, str], uid: int, places: tuple[str, str, str]) -> None:
    paths = find_paths(environ, uid)

    assert (paths.config_file, paths.state_dir, paths.control_socket) == tuple(map(Path, places))


def test_the_demo_has_places_of_its_own() -> None:
    paths = demo_paths({"HOME": "/h"})

    assert paths.state_dir == Path("/h/.local/state/lodestard-demo")
    assert {paths.config_file.parent, paths.control_socket.parent} == {paths.state_dir}
    assert demo_paths({"XDG_STATE_HOME": "/s"}).state_dir == Path("/s/lodestard-demo")
