"""Which projects' files are trusted.

Law: the text that was shown and trusted is kept, and nothing else is ever in force: a file that changes is not
followed. As soon as that is seen, what the old text prefers has no effect; what it forbids, labels and limits stands
until a person has looked, so that whoever can write into a folder gets nothing by it. Owner: one object, changed in
sync code; saved before anybody is told that it was done.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from posixpath import normpath

import msgspec
import trio

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.host_ports import Keepsake
from lodestard.domain.near import did_you_mean
from lodestard.domain.project import (
    KnownProject,
    ProjectBudget,
    ProjectFault,
    ProjectFile,
    ProjectPolicy,
    ReadProject,
    Standing,
    TrustedFile,
    digest_of,
    policy_of,
)
from lodestard.domain.settings import Budget

MOST = 128
MOST_PATH = 4_096
_log = logging.getLogger(__name__)


class _Kept(msgspec.Struct):
    """What is in the file."""

    trusted: tuple[TrustedFile, ...] = ()


async def no_change() -> None:
    """Nobody has to know."""


class Projects:
    """Implements ``domain.project_ports.ProjectsPort``. ``on_change`` is awaited once this has changed."""

    def __init__(self, keepsake: Keepsake, read: ReadProject) -> None:
        self._keepsake = keepsake
        self._read = read
        self._known: dict[str, KnownProject] = {}
        self._by_name: Mapping[str, ProjectPolicy] = {}
        self._by_folder: Sequence[tuple[str, ProjectPolicy]] = ()
        self._turn = trio.Lock()  # or two changes at once would each be saved without the other
        self.on_change: Callable[[], Awaitable[None]] = no_change

    async def load(self) -> None:
        """What was trusted before. A text that can't be read any more has no effect, and is told of."""
        data = await self._keepsake.load()
        try:
            kept = msgspec.json.decode(data, type=_Kept) if data else _Kept()
        except msgspec.DecodeError:
            _log.warning("the trusted projects can't be read: none is trusted any more")
            kept = _Kept()
        self._known = {trusted.folder: self._judge(trusted) for trusted in kept.trusted}
        self._index()

    def _judge(self, trusted: TrustedFile) -> KnownProject:
        file = self._read(trusted.text)
        if isinstance(file, ProjectFile) and digest_of(trusted.text) == trusted.sha256:
            return KnownProject(trusted=trusted, file=file, standing="trusted")
        _log.warning("the file of a trusted project has no effect: this version can't read it (lodestarctl project)")
        return KnownProject(trusted=trusted, file=None, standing="invalid")

    # -- requests ----------------------------------------------------------------------------------------------

    def policy(self, project_or_folder: str) -> ProjectPolicy | None:
        """See the port."""
        if not self._by_name or not project_or_folder or len(project_or_folder) > MOST_PATH:
            return None
        if project_or_folder[0] != "/":
            return self._by_name.get(project_or_folder)
        inside = as_prefix(project_or_folder)
        return next((policy for folder, policy in self._by_folder if inside.startswith(folder)), None)

    def budgets(self) -> Mapping[str, Budget]:
        """The limits that trusted files set. No budget of the configuration has such a name: it has a space."""
        return {f"project {name}": budget for name, budget in self._budgets()}

    def _budgets(self) -> Iterable[tuple[str, Budget]]:
        for known in self._known.values():
            if known.file is not None and known.file.budget is not None:
                yield known.file.name, budget_of(known.file.name, known.file.budget)

    # -- people ------------------------------------------------------------------------------------------------

    @property
    def known(self) -> tuple[KnownProject, ...]:
        return tuple(self._known.values())

    def standing(self, folder: str, text: str) -> Standing:
        """How a file stands that somebody sees in ``folder``."""
        known = self._known.get(folder)
        if known is None:
            return "untrusted"
        return known.standing if known.trusted.sha256 == digest_of(text) else "changed"

    def look(
        self, folder: str, text: str, aliases: Iterable[str]
    ) -> tuple[ProjectFile | None, tuple[ProjectFault, ...]]:
        """What a file says, and what is wrong with it here. Changes nothing."""
        file = self._read(text)
        if not isinstance(file, ProjectFile):
            return None, file
        faults = [*unknown_aliases(file, frozenset(aliases))]
        holder = self._by_name.get(file.name)
        if holder is not None and holder.folder != folder:
            faults.append(ProjectFault(message=f"{holder.folder} has this name already", key="name"))
        return file, tuple(faults)

    async def trust(self, trusted: TrustedFile, aliases: Iterable[str]) -> KnownProject:
        """Trust exactly this text. Raises ``CallerFault`` where it has faults; ``HouseFault``."""
        if digest_of(trusted.text) != trusted.sha256:
            raise CallerFault(Code.INVALID_REQUEST, "The file is another one than was shown.", param="sha256")
        if not trusted.folder.startswith("/") or len(trusted.folder) > MOST_PATH or not trusted.folder.isprintable():
            raise CallerFault(Code.INVALID_REQUEST, "The folder must be a whole, printable path.", param="folder")
        async with self._turn:
            file, faults = self.look(trusted.folder, trusted.text, aliases)
            if file is None or faults:
                raise CallerFault(Code.INVALID_REQUEST, f"It can't be trusted: {faults[0].message}.", param="text")
            if trusted.folder not in self._known and len(self._known) >= MOST:
                raise CallerFault(Code.INVALID_REQUEST, f"{MOST} projects are trusted: untrust one first.")
            known = KnownProject(trusted=trusted, file=file, standing="trusted")
            await self._change({**self._known, trusted.folder: known})
        return known

    async def untrust(self, folder: str) -> bool:
        """Whether it was trusted. Raises ``HouseFault``."""
        async with self._turn:
            if folder not in self._known:
                return False
            await self._change({name: known for name, known in self._known.items() if name != folder})
            return True

    async def _change(self, known: dict[str, KnownProject]) -> None:
        kept = _Kept(tuple(each.trusted for each in known.values()))
        await self._keepsake.save(msgspec.json.encode(kept))
        self._known = known
        self._index()
        await self.on_change()

    # -- the files themselves ----------------------------------------------------------------------------------

    async def see(self, folder: str, standing: Standing) -> None:
        """What was found of a trusted file in its folder. Once it differs it prefers nothing until it is trusted
        again, or is again as it was.
        """
        async with self._turn:
            known = self._known.get(folder)
            if known is None or known.file is None or known.standing == standing:
                return
            if standing != "trusted":
                _log.warning("%s: its project file is %s: it prefers nothing until trusted again", folder, standing)
            self._known[folder] = msgspec.structs.replace(known, standing=standing)
            self._index()
            await self.on_change()

    def _index(self) -> None:
        policies = [policy_of(known) for known in self._known.values()]
        self._by_name = {policy.name: policy for policy in policies if policy is not None}
        by_folder = [(as_prefix(policy.folder), policy) for policy in self._by_name.values()]
        self._by_folder = sorted(by_folder, key=lambda each: -len(each[0]))  # the nearest first


def as_prefix(folder: str) -> str:
    """A folder as all paths in it begin, itself too: without ``..`` and double slashes. Pure."""
    return f"{normpath(folder).strip('/')}/".lstrip("/")


def unknown_aliases(file: ProjectFile, aliases: frozenset[str]) -> Iterable[ProjectFault]:
    """Names of models that nobody has configured. Pure."""
    named = [(f"models.{alias}", other) for alias, other in file.models.items()]
    named += [(f"rules[{at}].model", rule.model) for at, rule in enumerate(file.rules) if rule.model]
    for key, alias in named:
        if alias not in aliases:
            near = did_you_mean(alias, aliases)
            yield ProjectFault(
                message=f"there is no model {alias!r}{f'; did you mean {near}?' if near else ''}", key=key
            )


def budget_of(name: str, wanted: ProjectBudget) -> Budget:
    """A hard one beside all others, so that nobody gets more by it than they had. Pure."""
    return Budget(
        scope="project",
        of=name,
        window=wanted.window,
        usd=wanted.usd,
        tokens=wanted.tokens,
        requests=wanted.requests,
        hard=True,
        at_limit=wanted.at_limit,
    )
