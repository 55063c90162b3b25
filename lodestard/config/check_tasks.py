"""What is wrong with the rules that tell kinds of work. Pure."""

from collections.abc import Iterator

from lodestard.config.convert import Finding
from lodestard.domain.settings import Settings
from lodestard.domain.task_rule import MOST_RULES, find_fault


def check_tasks(settings: Settings) -> Iterator[Finding]:
    """All findings about ``[[tasks]]``."""
    if len(settings.tasks) > MOST_RULES:
        yield Finding(("tasks",), f"more than {MOST_RULES} rules")
    for index, rule in enumerate(settings.tasks):
        if (fault := find_fault(rule)) is not None:
            member, message = fault
            yield Finding(("tasks", index, member), message)
