"""The command line with a fake client: what it asked, what came out, and its exit status."""

import io
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from lodestarctl import cli
from lodestard.control.messages import VerbInfo
from tests.fakes.control_client import FakeClient


class Run:
    """Runs the command line with a fake client and keeps what came out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        self.client = FakeClient()
        self.paths: Sequence[str] = ()
        self.out = self.err = ""

    def __call__(
        self,
        *words: str,
        answers: Mapping[str, Any] | None = None,
        verbs: Sequence[VerbInfo] = (),
        stdin: str | io.StringIO = "",
    ) -> int:
        self.client = FakeClient(answers, verbs)

        def connect(paths: Sequence[str]) -> FakeClient:
            self.paths = paths
            return self.client

        self._monkeypatch.setattr(cli, "ControlClient", connect)
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(stdin) if isinstance(stdin, str) else stdin)
        try:
            status = cli.main(words)
        except SystemExit as end:
            status = int(end.code or 0)
        self.out, self.err = self._capsys.readouterr()
        return status

    @property
    def called(self) -> tuple[str, Mapping[str, Any]]:
        (only,) = self.client.calls
        return only
