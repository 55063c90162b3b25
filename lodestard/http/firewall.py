"""What comes out of a handler → what the client is told, and what the log says.

Law: kinds and places only: an exception's text may quote the request. What is not an ``Exception`` (cancellation,
KeyboardInterrupt, SystemExit) is not ours to stop.
"""

import logging
import traceback

from lodestard.domain.errors import Code, Fault, HouseFault
from lodestard.http.faults import ClientLeft

logger = logging.getLogger(__name__)

WrittenFault = tuple[int, list[tuple[str, str]], bytes]


def judge(error: Exception) -> Fault | None:
    """→ the fault to answer with; None where there is nobody to answer to. A defect is logged."""
    found = unwrap(error)
    if isinstance(found, ClientLeft):
        return None
    if isinstance(found, Fault):
        return found
    log_defect(found)
    return defect()


def judge_group(group: BaseExceptionGroup[BaseException]) -> Fault | None:
    """The same for what a handler's nursery raised. Raises the part that is not ours to stop."""
    ours, others = group.split(Exception)
    if others is not None:
        if ours is not None:
            log_defect(ours)
        raise unwrap(others)
    assert ours is not None
    return judge(ours)


def defect() -> HouseFault:
    return HouseFault(Code.INTERNAL, "Something went wrong here; lodestard's log has the details.")


def log_defect(error: BaseException) -> None:
    logger.error("a request failed: %s", "\n".join(describe(error)))


def describe(error: BaseException) -> list[str]:
    """A traceback without the exceptions' texts and without source lines, outermost first."""
    lines = [type(error).__qualname__]
    for frame, line in traceback.walk_tb(error.__traceback__):
        lines.append(f"  {frame.f_code.co_filename}:{line} in {frame.f_code.co_name}")
    inner = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
    if (cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__)) is not None:
        inner.append(cause)
    for nested in inner:
        first, *rest = describe(nested)
        lines += [f"from {first}", *rest]
    return lines


def unwrap(error: BaseException) -> BaseException:
    """The one exception in a group, and in the groups in it; others as they are."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
