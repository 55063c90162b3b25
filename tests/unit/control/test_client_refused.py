"""What a client of the control socket is told where it gets no answer: why, and what to do."""

import grp
import pwd
import socket
import threading
from pathlib import Path

import pytest

from lodestard.control.client import ControlClient, ControlError, DaemonNotRunning, _UnixConnection

ME = "ann"


def test_a_socket_that_drops_the_question_is_nobody(tmp_path: Path) -> None:
    """As systemd's does where the daemon can't be started: it closes with the question unread."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def drop() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)

        thread = threading.Thread(target=drop)
        thread.start()
        with pytest.raises(DaemonNotRunning, match="without an answer"):
            ControlClient(str(tmp_path / "s")).call("status")
        thread.join()


@pytest.mark.parametrize(
    ("gid", "members", "said"),
    [
        (7, [], f": members of the group house may. As root: usermod -aG house {ME}; then log in again."),
        (7, [ME], ": you are in its group house from your next login on."),
        (0, [], ": root may."),
    ],
)
def test_who_may_not_open_it_is_told_who_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gid: int, members: list[str], said: str
) -> None:
    def refuse(_: object) -> None:
        raise PermissionError

    (tmp_path / "s").touch()
    monkeypatch.setattr(_UnixConnection, "connect", refuse)
    monkeypatch.setattr(grp, "getgrgid", lambda _: grp.struct_group(("house", "x", gid, members)))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: pwd.struct_passwd((ME, "x", 1000, 1000, "", "/", "/bin/sh")))
    with pytest.raises(ControlError) as refused:
        ControlClient(str(tmp_path / "s")).call("status")
    assert refused.value.code == "not_permitted"
    assert refused.value.message == f"You may not open {tmp_path}/s{said}"


def test_where_the_group_has_no_name_nothing_more_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(_UnixConnection, "connect", refuse)
    with pytest.raises(ControlError) as refused:
        ControlClient(str(tmp_path / "s")).call("status")
    assert refused.value.message == f"You may not open {tmp_path}/s."
