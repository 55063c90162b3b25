"""The configuration as frozen records: what the rooms read. ``config/`` makes them from TOML.

Law: a record holds what a person wrote, checked and with defaults filled in; never a secret, never an opened
thing. Units are in names. Every member is documented in ``docs/configuration.md``; a test fails when one is not.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=0)]
Dialect = Literal["ollama", "openai", "anthropic"]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the configuration."""


class Limits(Record, frozen=True):
    """What the listener puts up with from a client."""

    head_bytes: Positive = 32 * 1024
    head_fields: Positive = 100
    head_timeout_s: Seconds = 10.0
    body_bytes: Positive = 32 * 1024 * 1024
    body_grace_s: Seconds = 10.0
    body_min_bytes_per_s: Positive = 1024
    keep_alive_s: Seconds = 75.0
    write_timeout_s: Seconds = 30.0
    connections: Positive = 12_000
    connections_per_peer: Positive = 256
    json_depth: Positive = 64


class Server(Record, frozen=True):
    """The proxy's listener. ``allowed_hosts`` are names beside the loopback ones that ``Host`` may carry."""

    listen: tuple[str, ...] = ("127.0.0.1:4000",)
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    early_head_s: Seconds = 2.0
    keep_alive_comment_s: Seconds = 10.0
    drain_s: Seconds = 120.0
    leave_drain_s: Seconds = 60.0
    leave_drains: Positive = 32
    limits: Limits = Limits()


class Control(Record, frozen=True):
    """The control socket. An empty ``socket`` means ``/run/lodestard.sock`` as root, XDG's place otherwise.

    Members of ``admin_groups`` may change things, members of ``read_groups`` may look.
    """

    socket: str = ""
    admin_groups: tuple[str, ...] = ("lodestar",)
    read_groups: tuple[str, ...] = ()


class Cache(Record, frozen=True):
    """The response cache. ``max_temperature``: a request above it, or without one, is not cached."""

    enabled: bool = True
    disk: bool = True
    ttl_s: Seconds = 86_400.0
    max_bytes: Positive = 100_000_000
    memory_bytes: Positive = 16_000_000
    max_entry_bytes: Positive = 4_000_000
    compress_above_bytes: Positive = 2_048
    max_temperature: Annotated[float, Meta(ge=0, le=2)] = 0.3


class Ledger(Record, frozen=True):
    """The money ledger. ``baseline`` is the model ("upstream/model") that savings are counted against.

    ``timezone`` says when a day begins (``Europe/Berlin``); empty means the machine's.
    ``store_text`` keeps prompts and answers in the ledger: off unless you want that.
    """

    baseline: str = ""
    timezone: str = ""
    store_text: bool = False


class KeySource(Record, frozen=True):
    """Where a secret is: exactly one of a systemd credential, an environment variable or a 0600 file."""

    credential: str = ""
    env: str = ""
    file: str = ""


class Upstream(Record, frozen=True):
    """A server with models. ``free`` says that nothing it does is ever billed.

    ``url`` is its base: what the dialect's own paths (``/api/chat``, ``/chat/completions``) are appended to.
    """

    dialect: Dialect
    url: str
    free: bool = False
    key: KeySource | None = None
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    connections: Positive = 64
    preopen: Count = 0
    concurrency: Positive = 64
    connect_timeout_s: Seconds = 5.0
    first_byte_timeout_s: Seconds = 120.0
    load_timeout_s: Seconds = 300.0
    idle_timeout_s: Seconds = 60.0
    plain_timeout_s: Seconds = 600.0
    on_client_leave: Literal["cancel", "drain", ""] = ""
    ca_file: str = ""
    keep_alive: str | int = ""
    options: Mapping[str, int | float | bool | str] = msgspec.field(default_factory=dict)


class Model(Record, frozen=True):
    """An alias: ``route`` names "upstream/model", the first that can answer is asked."""

    route: Annotated[tuple[str, ...], Meta(min_length=1)]
    description: str = ""


class ModelPrice(Record, frozen=True):
    """US dollars per million tokens, as decimals."""

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    max_output_tokens: Positive | None = None


class Log(Record, frozen=True):
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(Record, frozen=True):
    """Everything that one ``lodestard`` was told."""

    state_dir: str = ""
    server: Server = Server()
    control: Control = Control()
    cache: Cache = Cache()
    ledger: Ledger = Ledger()
    log: Log = Log()
    upstreams: Mapping[str, Upstream] = msgspec.field(default_factory=dict)
    models: Mapping[str, Model] = msgspec.field(default_factory=dict)
    prices: Mapping[str, ModelPrice] = msgspec.field(default_factory=dict)
    modules: Mapping[str, Any] = msgspec.field(default_factory=dict)
