"""``config.check``, ``config.show``, ``config.reload``."""

from lodestard.control.messages import ConfigReport, ConfigValues, ReloadReport
from lodestard.control.verbs.desk import Desk
from lodestard.domain.verbs import Arguments, Verb


def configuration_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def check(_arguments: Arguments) -> ConfigReport:
        return await desk.check_config()

    async def show(_arguments: Arguments) -> ConfigValues:
        return desk.config_values()

    async def reload(_arguments: Arguments) -> ReloadReport:
        return await desk.reload_config()

    return (
        Verb(name="config.check", summary="check the files without taking them in", needs="read", answer=check),
        Verb(name="config.show", summary="every value in force and its origin", needs="read", answer=show),
        Verb(name="config.reload", summary="take the files in anew", needs="admin", answer=reload),
    )
