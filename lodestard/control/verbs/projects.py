"""``project.look``, ``project.trust``, ``project.untrust``, ``project.list``.

The text comes from lodestarctl: a service has no way into people's homes, and what was shown is what is trusted.
"""

from collections.abc import Iterator

import msgspec

from lodestard.control.messages.projects import ProjectList, ProjectProblem, ProjectReport, Untrusted
from lodestard.control.verbs.desk import Desk
from lodestard.domain.money import format_usd, parse_nano_usd
from lodestard.domain.project import KnownProject, ProjectBudget, ProjectFile, Standing, TrustedFile, digest_of
from lodestard.domain.routing_settings import Rule, When
from lodestard.domain.verbs import Argument, Arguments, Verb

SAYS = ("model", "prefer", "require", "forbid", "labels")


def project_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def look(arguments: Arguments) -> ProjectReport:
        return look_at(desk, arguments["folder"], arguments["text"])

    async def see(arguments: Arguments) -> ProjectReport:
        folder, text = arguments["folder"], arguments["text"]
        known = next((each for each in desk.projects.known if each.trusted.folder == folder), None)
        if known is not None and not known.trusted.watched:
            same = known.trusted.sha256 == digest_of(text)
            await desk.projects.see(folder, "trusted" if same else "changed")
        return look_at(desk, folder, text)

    async def trust(arguments: Arguments) -> ProjectReport:
        folder, text, sha256 = arguments["folder"], arguments["text"], arguments["sha256"]
        watched = await desk.can_watch(folder, sha256)
        trusted = TrustedFile(
            folder=folder, text=text, sha256=sha256, at_ms=desk.runtime.clock.now_ms(), watched=watched
        )
        return known_report(await desk.projects.trust(trusted, desk.runtime.settings.models))

    async def untrust(arguments: Arguments) -> Untrusted:
        folder = arguments["folder"]
        return Untrusted(folder=folder, was=await desk.projects.untrust(folder))

    async def listed(_arguments: Arguments) -> ProjectList:
        return ProjectList(projects=tuple(map(known_report, desk.projects.known)))

    folder = Argument(name="folder", required=True, help="the folder that the file is in")
    text = Argument(name="text", required=True, help="what the file says")
    sha256 = Argument(name="sha256", required=True, help="of the text that was shown")
    seen = (folder, text)
    return (
        Verb(
            name="project.look",
            summary="what a project's file would do",
            needs="read",
            arguments=seen,
            answer=look,
        ),
        Verb(
            name="project.see",
            summary="tell what a trusted project's file says now",
            needs="admin",
            arguments=seen,
            answer=see,
        ),
        Verb(
            name="project.trust",
            summary="let a project's file take effect",
            needs="admin",
            arguments=(*seen, sha256),
            answer=trust,
        ),
        Verb(
            name="project.untrust",
            summary="a project's file has no effect any more",
            needs="admin",
            arguments=(folder,),
            answer=untrust,
        ),
        Verb(name="project.list", summary="the trusted projects", needs="read", answer=listed),
    )


def look_at(desk: Desk, folder: str, text: str) -> ProjectReport:
    """What a file would do, how it stands, and what is wrong with it."""
    projects = desk.projects
    standing: Standing = projects.standing(folder, text)
    known = next((each for each in projects.known if each.trusted.folder == folder), None)
    file, faults = projects.look(folder, text, desk.runtime.settings.models)
    return ProjectReport(
        folder=folder,
        standing="invalid" if faults and standing == "untrusted" else standing,
        sha256=digest_of(text),
        name=file.name if file is not None else "",
        effects=tuple(say_effects(file, folder)) if file is not None else (),
        faults=tuple(ProjectProblem(message=each.message, key=each.key, line=each.line) for each in faults),
        watched=known is not None and known.trusted.watched,
        trusted_ms=known.trusted.at_ms if known is not None else None,
    )


def known_report(known: KnownProject) -> ProjectReport:
    """A trusted file, as it stands. Pure."""
    trusted, file = known.trusted, known.file
    return ProjectReport(
        folder=trusted.folder,
        standing=known.standing,
        sha256=trusted.sha256,
        name=file.name if file is not None else "",
        effects=tuple(say_effects(file, trusted.folder)) if file is not None else (),
        watched=trusted.watched,
        trusted_ms=trusted.at_ms,
    )


def say_effects(file: ProjectFile, folder: str) -> Iterator[str]:
    """What a file in ``folder`` does, in sentences. Pure."""
    if file.prefer is not None:
        yield f"prefers {file.prefer} answers, where a request says nothing"
    if file.tags:
        yield f"tags its requests {', '.join(file.tags)}"
    for alias, other in file.models.items():
        yield f"asks {other} where {alias} is asked for"
    if file.budget is not None:
        yield say_budget(file.budget)
        if file.name != (last := folder.rstrip("/").rpartition("/")[2]):
            yield f"limits what names the project {file.name!r}: who sends only the folder is counted as {last!r}"
    for number, rule in enumerate(file.rules, 1):
        yield say_rule(rule, number)


def say_budget(budget: ProjectBudget) -> str:
    limits = [f"${format_usd(parse_nano_usd(budget.usd))}"] if budget.usd is not None else []
    limits += [f"{budget.tokens} tokens"] if budget.tokens is not None else []
    limits += [f"{budget.requests} requests"] if budget.requests is not None else []
    then = "free models only" if budget.at_limit == "free" else "nothing more"
    return f"may spend at most {', '.join(limits)} in a {budget.window}, then {then}; other budgets hold beside it"


def say_rule(rule: Rule, number: int) -> str:
    said = [f"{name} {write_value(value)}" for name in SAYS if (value := getattr(rule, name))]
    when = [f"{name} is {write_value(value)}" for name, value in conditions_of(rule.when)]
    name = rule.name or f"rule {number}"
    then = f" when {' and '.join(when)}" if when else ""
    return f"{name}: {', '.join(said) or 'says nothing'}{then}"


def conditions_of(when: When) -> list[tuple[str, object]]:
    """Those that are named."""
    named = msgspec.structs.asdict(when)
    return [(name, value) for name, value in named.items() if value not in ("", (), None)]


def write_value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
