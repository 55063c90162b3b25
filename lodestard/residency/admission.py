"""Who admits an attempt: the card of its host, or a mere count of places where nobody looks after one."""

from lodestard.domain.host_ports import Place
from lodestard.domain.residency import Ask, Wait
from lodestard.domain.upstream import Target
from lodestard.residency.plain import HostAdmission
from lodestard.residency.room import Residency


class CardAdmission:
    """Implements ``domain.host_ports.Admission`` for one generation: ``plain`` knows that generation's upstreams."""

    __slots__ = ("_plain", "_residency")

    def __init__(self, plain: HostAdmission, residency: Residency) -> None:
        self._plain = plain
        self._residency = residency

    def admit(self, ask: Ask) -> Place:
        return self._residency.place(ask) or self._plain.admit(ask)

    def predicted_wait(self, target: Target, prompt_tokens: int) -> Wait | None:
        return self._residency.predicted_wait(target, prompt_tokens)
