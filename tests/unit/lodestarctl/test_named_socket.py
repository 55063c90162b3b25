"""``--config FILE`` means the daemon of that file."""

from pathlib import Path

import pytest

from lodestarctl.named_socket import socket_of


@pytest.mark.parametrize(
    ("text", "socket"),
    [
        ('[control]\nsocket = "/x/s"\n', "/x/s"),
        ("[control]\n", None),
        ("control = 1\n", None),
        ("[control]\nsocket = 1\n", None),
        ("[control", None),
        ("\x00", None),
    ],
)
def test_the_socket_that_a_configuration_names(tmp_path: Path, text: str, socket: str | None) -> None:
    file = tmp_path / "lodestard.toml"
    assert socket_of(file) is None
    file.write_text(text)
    assert socket_of(file) == socket
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/20-b.toml").write_text('[control]\nsocket = "/last"\n')
    (tmp_path / "conf.d/10-a.toml").write_text('[control]\nsocket = "/first"\n')
    (tmp_path / "conf.d/30-c.toml").write_bytes(b"\xff")
    assert socket_of(file) == "/last"
