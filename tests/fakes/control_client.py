"""A control client that answers from a table, so that commands are tested without a daemon."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any

import msgspec

from lodestard.control.client import ControlClient, ControlError, DaemonNotRunning
from lodestard.control.messages import Refusal, VerbInfo


class FakeClient(ControlClient):
    """``answers`` maps a verb to its data, a list of items for a stream, or an exception to raise.

    Without ``answers`` nobody is there. What was asked is in ``calls``.
    """

    def __init__(self, answers: Mapping[str, Any] | None = None, verbs: Sequence[VerbInfo] = ()) -> None:
        super().__init__("/nowhere")
        self.answers = answers
        self.listed = tuple(verbs)
        self.calls: list[tuple[str, Mapping[str, Any]]] = []

    def call(self, verb: str, arguments: Mapping[str, Any] | None = None) -> msgspec.Raw:
        return msgspec.Raw(msgspec.json.encode(self._answer(verb, arguments)))

    def stream(self, verb: str, arguments: Mapping[str, Any] | None = None) -> Generator[msgspec.Raw, None, None]:
        for item in self._answer(verb, arguments):
            if isinstance(item, BaseException):
                raise item
            yield msgspec.Raw(msgspec.json.encode(item))

    def verbs(self) -> tuple[VerbInfo, ...]:
        if self.answers is None:
            raise DaemonNotRunning("lodestard is not running.")
        return self.listed

    def _answer(self, verb: str, arguments: Mapping[str, Any] | None) -> Any:
        self.calls.append((verb, arguments or {}))
        if self.answers is None:
            raise DaemonNotRunning("lodestard is not running.")
        answer = self.answers[verb]
        if isinstance(answer, BaseException):
            raise answer
        return answer


def refusal(
    code: str, message: str = "No.", retry_after_s: float | None = None, param: str | None = None
) -> ControlError:
    return ControlError(Refusal(code=code, message=message, retry_after_s=retry_after_s, param=param))
