"""What ends a request before or instead of its answer. Law: sockets' errors leave this room as one of these."""

from lodestard.domain.errors import CallerFault, Code


class ClientLeft(Exception):
    """The client closed or reset the connection, or stopped reading for too long: nothing more can be said."""


class Refused(Exception):
    """A request that no handler sees. ``status`` overrides what the fault's code would give (431, 505 …)."""

    def __init__(self, message: str, *, status: int = 400, code: Code = Code.INVALID_REQUEST) -> None:
        super().__init__(message)
        self.status = status
        self.fault = CallerFault(code, message)
