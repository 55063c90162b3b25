"""Looks: at the configuration's files, at Ollama servers, at where keys are, at whether a daemon runs.

Law: only looks. Nobody is asked who was not named: no network is ever scanned. Costs no token.
"""

import http.client
import os
import ssl
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from lodestarctl import service
from lodestarctl.setup.address import own_address, read_address
from lodestarctl.setup.facts import Facts, File, KeyFact, LocalModel, Server, key_place, lay_over, ollama_upstreams
from lodestarctl.setup.facts import upstream_or_name as name_of
from lodestarctl.setup.place import Place
from lodestarctl.setup.providers import Provider, known_to
from lodestard.control.client import ControlClient, ControlError, DaemonNotRunning
from lodestard.control.messages import Code, Status

TIMEOUT_S = 3.0
MOST_BYTES = 4_000_000
PLAIN_WORDS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
"""What OpenSSL says of an answer without TLS, by its version."""
MOST_FILE_BYTES = 4 * 1024 * 1024


def look(place: Place, given: Iterable[str], client: ControlClient) -> Facts:
    """Everything at once. Blocks for some seconds at most."""
    files, faults, hidden = read_files(place)
    tables: dict[str, Any] = {}
    for file in files:
        tables = lay_over(tables, file.tables)
    own = own_address(os.environ)
    addresses = dict.fromkeys([*given, *_configured(tables), own])
    daemon = look_for_daemon(place, client)
    upstreams = tables.get("upstreams")
    facts = Facts(
        place=place,
        files=files,
        tables=tables,
        faults=faults,
        servers=tuple(look_at_server(url) for url in addresses),
        own_server=own,
        running=daemon.running,
        elsewhere=daemon.elsewhere,
        problems=daemon.problems,
        denied=daemon.denied,
        silence=() if daemon.running or daemon.denied else why_silent(place),
        hidden=hidden,
    )
    providers = known_to(upstreams if isinstance(upstreams, dict) else {})
    return msgspec.structs.replace(facts, keys=tuple(look_for_key(provider, facts) for provider in providers))


def _configured(tables: Mapping[str, Any]) -> list[str]:
    found = []
    for url in ollama_upstreams(tables).values():
        try:
            found.append(read_address(url))
        except ValueError:
            continue
    return found


def read_files(place: Place) -> tuple[tuple[File, ...], tuple[str, ...], bool]:
    """The files in the order in which they are merged, what is wrong with them, and whether some can't be seen."""
    hidden, faults, files = False, [], []
    folder = place.drop_in.parent
    try:
        drop_ins = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError:
        hidden, drop_ins = True, []
    names = [file for file in drop_ins if file.suffix == ".toml" and not file.name.startswith(".")]
    for path in (place.config_file, *names):
        try:
            with path.open("rb") as stream:
                text = stream.read(MOST_FILE_BYTES).decode("utf-8-sig")
            files.append(File(path, tomllib.loads(text)))
        except FileNotFoundError:
            continue
        except PermissionError:
            hidden = True
        except (OSError, ValueError, RecursionError) as error:
            faults.append(f"{path}: {getattr(error, 'strerror', None) or error}")
    return tuple(files), tuple(faults), hidden


class Daemon(NamedTuple):
    """As in ``Facts``."""

    running: bool = False
    elsewhere: str = ""
    problems: tuple[tuple[str, str], ...] = ()
    denied: str = ""


def look_for_daemon(place: Place, client: ControlClient) -> Daemon:
    """Whether the daemon of this configuration runs; and, if it is another's that answers, whose."""
    if service.fails(_unit_of(place)):
        return Daemon()
    try:
        status = client.ask("status", {}, Status)
    except ControlError as error:
        return Daemon(denied=error.message if error.code == Code.NOT_PERMITTED else "")
    except DaemonNotRunning:
        return Daemon()
    if status.config and Path(status.config).absolute() != place.config_file:
        return Daemon(elsewhere=status.config)
    errors = [problem for problem in status.problems if problem.severity == "error"]
    return Daemon(True, problems=tuple((problem.what, problem.advice) for problem in errors))


def _unit_of(place: Place) -> service.Shown:
    return service.look() if place.unit and place.kind == "system" else {}


def why_silent(place: Place) -> tuple[str, ...]:
    """What systemd knows of a daemon of the machine's that does not answer."""
    shown = _unit_of(place)
    return tuple(filter(None, (service.explain(shown), *service.remarks(shown))))


def look_at_server(url: str) -> Server:
    """Asks an Ollama server, in its own dialect, for its version and models."""
    try:
        version = _read(url, "/api/version").get("version", "")
        listed = _read(url, "/api/tags").get("models")
    except (OSError, http.client.HTTPException, ValueError, msgspec.DecodeError) as error:
        return Server(url=url, error=reason_of(error))
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    models = [LocalModel(str(row.get("name", "")), _whole(row.get("size"))) for row in rows if row.get("name")]
    return Server(url=url, version=str(version), models=tuple(sorted(models, key=lambda model: model.name)))


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def connect(url: str, timeout_s: float) -> tuple[http.client.HTTPConnection, str]:
    """A connection to the server of ``url``, not opened yet, and the path before all others. Follows no redirect."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=timeout_s), parts.path.rstrip("/")


def _read(url: str, path: str) -> dict[str, Any]:
    connection, base = connect(url, TIMEOUT_S)
    try:
        connection.request("GET", base + path)
        response = connection.getresponse()
        body = response.read(MOST_BYTES)
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise ValueError(f"it answers {response.status}, as no Ollama does")
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (ValueError, RecursionError):
        raise ValueError("what answers there is not Ollama") from None


def reason_of(error: Exception, timeout_s: float = TIMEOUT_S) -> str:
    """A word for a person about why nobody answered."""
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:.0f} s"
    if isinstance(error, ssl.SSLError):
        plain = any(word in (error.reason or "") for word in PLAIN_WORDS)
        return "it speaks no TLS; try http://" if plain else f"TLS: {error.reason or 'failed'}"
    if isinstance(error, http.client.HTTPException):
        return "what answers there is not Ollama"
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def look_for_key(provider: Provider, facts: Facts) -> KeyFact:
    """Whether there is a key where the configuration says, or where setup would put it."""
    name = name_of(provider, facts)
    upstream = facts.upstreams.get(name)
    said = key_place(upstream) if isinstance(upstream, Mapping) else {}
    here = name if isinstance(upstream, Mapping) else ""
    if "env" in said:
        where = f"the daemon's environment variable {said['env']}"
        return KeyFact(provider=provider.name, upstream=here, state="unknown", where=where)
    own = facts.place.places_of(said.get("credential") or name)
    for path in _candidates(said, own, facts.place):
        state = _state_of(path)
        if state != "missing":
            mine = path in own.values()
            return KeyFact(provider=provider.name, upstream=here, state=state, where=str(path), ours=mine)
    return KeyFact(provider=provider.name, upstream=here)


def _candidates(said: Mapping[str, str], own: Mapping[Any, Path], place: Place) -> list[Path]:
    if "file" in said:
        return [Path(said["file"]).expanduser()]
    return list(own.values()) if "credential" in said and place.store != "file" else []


def _state_of(path: Path) -> Any:
    try:
        return "set" if path.stat().st_size else "missing"
    except PermissionError:
        return "unknown"
    except OSError:
        return "missing"


def systemd_version(run: Path = Path("/run/systemd/system")) -> int:
    """The version of the systemd that runs this machine and has ``systemd-creds``; 0 where there is none."""
    import re
    import shutil
    import subprocess

    if not run.is_dir() or shutil.which("systemd-creds") is None:
        return 0
    try:
        done = subprocess.run(
            ["systemd-creds", "--version"],  # noqa: S607 - whoever runs this has it in their path
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.match(r"systemd (\d+)", done.stdout)
    return int(found[1]) if found else 0


def machine_zone(root: Path = Path("/")) -> str:
    """What the machine calls its time zone; UTC where it does not say."""
    try:
        target = os.readlink(root / "etc/localtime")  # noqa: PTH115 - what the link says, not where it leads
    except OSError:
        return "UTC"
    return target.partition("zoneinfo/")[2] or "UTC"
