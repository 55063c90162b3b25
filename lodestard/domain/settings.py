"""The configuration as frozen records: what the rooms read. ``config/`` makes them from TOML.

Law: a record holds what a person wrote, checked and with defaults filled in; never a secret, never an opened
thing. Units are in names. Every member is documented in ``docs/configuration.md``; a test fails when one is not.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from lodestard.domain.record import Count, Positive, Record, Seconds
from lodestard.domain.resilience_settings import BreakerRules, Fallback, OwnBreakerRules
from lodestard.domain.routing_settings import Prefer, Routing, Rule, Traits
from lodestard.domain.task_rule import TaskRule

Dialect = Literal["ollama", "openai", "anthropic", "gemini"]


class Limits(Record, frozen=True):
    """What the listener puts up with from a client."""

    head_bytes: Positive = 32 * 1024
    head_fields: Positive = 100
    head_timeout_s: Seconds = 10.0
    body_bytes: Positive = 32 * 1024 * 1024
    body_ratio: Positive = 100
    body_grace_s: Seconds = 10.0
    body_min_bytes_per_s: Positive = 1024
    keep_alive_s: Seconds = 75.0
    write_timeout_s: Seconds = 10.0
    connections: Positive = 12_000
    connections_per_peer: Positive = 256
    buffered_bytes: Positive = 256 * 1024 * 1024
    json_depth: Positive = 64


class Tls(Record, frozen=True):
    """The certificate of the addresses that begin with ``https://``. Without a ``key_file`` the key is beside it."""

    cert_file: str = ""
    key_file: str = ""


class Server(Record, frozen=True):
    """The proxy's listener. ``allowed_hosts`` are names beside the loopback ones that ``Host`` may carry.

    ``keyless_loopback``: where clients have keys, this machine's own need none.
    """

    listen: tuple[str, ...] = ("127.0.0.1:4000",)
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    keyless_loopback: bool = False
    early_head_s: Seconds = 2.0
    keep_alive_comment_s: Seconds = 10.0
    drain_s: Seconds = 120.0
    restart_drain_s: Seconds = 20.0
    leave_drain_s: Seconds = 60.0
    leave_drains: Positive = 32
    tls: Tls = Tls()
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
    ``retention_days``: how long single requests are kept; their sums stay for ever.
    ``anonymise``: exports carry salted hashes instead of the names of users, clients and projects.
    """

    baseline: str = ""
    timezone: str = ""
    store_text: bool = False
    retention_days: Positive = 90
    anonymise: bool = True


class Sessions(Record, frozen=True):
    """How requests are told to be of one session. ``idle_gap_s``: a longer silence begins a new one.

    ``max_s``: how long a session may last before its requests are refused; 0 for as long as it likes.
    """

    idle_gap_s: Seconds = 1_800.0
    max_s: Annotated[float, Meta(ge=0)] = 0.0


class KeySource(Record, frozen=True):
    """Where a secret is: exactly one of a systemd credential, an environment variable or a 0600 file."""

    credential: str = ""
    env: str = ""
    file: str = ""


Options = Mapping[str, int | float | bool | str]


Fim = Literal[
    "auto", "insert", "chat", "codegemma", "codellama", "codestral", "deepseek", "granite", "qwen", "starcoder"
]


class LocalModel(Record, frozen=True):
    """What is special about a model. ``options`` lie over the upstream's; both over what a client says.

    ``warm``: loaded when the daemon starts, and after the server has forgotten it. ``pinned``: only requests that
    somebody waits for may displace it. ``default``: comes back after ``residency.quiet_s`` without requests.
    ``tools``: whether it speaks tool calls itself, or they are emulated by instruction; auto finds out.
    ``parallel``: how many requests it answers at once (``OLLAMA_NUM_PARALLEL``). ``fim``: how it is asked to fill a
    gap: by the marks of a family, by the server's own template (``insert``), as a chat, or by its name (``auto``).
    """

    options: Options = msgspec.field(default_factory=dict)
    keep_alive: str | int = ""
    warm: bool = False
    pinned: bool = False
    default: bool = False
    parallel: Positive = 1
    tools: Literal["auto", "native", "emulated"] = "auto"
    fim: Fim = "auto"


class Upstream(Record, frozen=True):
    """A server with models. ``free`` says that nothing it does is ever billed.

    ``url`` is its base: what the dialect's own paths (``/api/chat``, ``/chat/completions``) are appended to.
    ``api``: which of OpenAI's two APIs a server of that dialect is asked by. ``limit_member`` carries an output
    limit that Lodestar writes itself. ``limit_wait_s``: how long a request waits for the rate limits that its
    provider has told, before the next candidate is asked. ``price_provider`` is its name in the price book, where
    its URL does not tell. ``schema``: whether it holds answers to a JSON schema itself, or is told to by
    instruction; empty: by its dialect. ``anthropic_version`` is said for clients that don't speak Anthropic's
    dialect; ``prompt_caching``: for them, what comes again is marked to be remembered there. ``completions``: how it
    is asked to continue text: at its ``/completions`` (``native``), at Mistral's ``/fim/completions`` (``fim``) or as
    a ``chat``; empty where its URL and the model tell. ``lan``: whether what is sent there stays in the own network;
    None where its URL tells.
    """

    dialect: Dialect
    url: str
    api: Literal["chat", "responses"] = "chat"
    free: bool = False
    lan: bool | None = None
    key: KeySource | None = None
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    connections: Positive = 64
    preopen: Count = 0
    concurrency: Positive = 64
    connect_timeout_s: Seconds = 5.0
    first_byte_timeout_s: Seconds = 120.0
    load_timeout_s: Seconds = 300.0
    idle_timeout_s: Seconds = 60.0
    limit_wait_s: Annotated[float, Meta(ge=0)] = 5.0
    plain_timeout_s: Seconds = 600.0
    on_client_leave: Literal["cancel", "drain", ""] = ""
    ca_file: str = ""
    keep_alive: str | int = ""
    price_provider: str = ""
    limit_member: Literal["max_tokens", "max_completion_tokens", ""] = ""
    schema: Literal["native", "emulated", ""] = ""
    anthropic_version: str = "2023-06-01"
    prompt_caching: bool = True
    completions: Literal["native", "fim", "chat", ""] = ""
    options: Options = msgspec.field(default_factory=dict)
    resident_models: Positive = 1
    breaker: OwnBreakerRules = OwnBreakerRules()
    models: Mapping[str, LocalModel] = msgspec.field(default_factory=dict)


class Residency(Record, frozen=True):
    """Who decides what is on the card of an Ollama server, and in which order it is asked.

    ``dwell_requests`` and ``dwell_s`` bound how long the resident model goes on while others wait. ``linger_s``: how
    long it stays after its last request that somebody waited for, before autocompletion displaces it, and
    ``background_linger_s`` before background work does. ``patience_s`` (``background_patience_s``) is the wait after
    which nobody overtakes a request; after ``max_wait_s`` it is sent on to the next candidate. ``quiet_s``: a spell
    without requests after which a default model comes back. ``answer_tokens``: the least room for an answer that a
    prompt must leave in the context. ``predict``: load what is likely to be asked for next. ``tell_waiting``: tell
    streaming clients as reasoning text what they wait for.
    """

    enabled: bool = True
    dwell_requests: Positive = 12
    dwell_s: Seconds = 20.0
    linger_s: Seconds = 10.0
    background_linger_s: Seconds = 30.0
    patience_s: Seconds = 60.0
    background_patience_s: Seconds = 900.0
    max_wait_s: Seconds = 300.0
    background_max_wait_s: Seconds = 3_600.0
    max_waiting: Positive = 512
    quiet_s: Seconds = 300.0
    poll_s: Seconds = 15.0
    answer_tokens: Positive = 256
    predict: bool = True
    tell_waiting: bool = False


class Model(Record, frozen=True):
    """An alias: ``route`` names "upstream/model", the first that can answer is asked.

    With ``prefer`` the one that is best for the request is asked first: by what a good answer is worth, what it is
    likely to cost, and how long it takes.
    ``soonest``: of its free models that one is asked first which can begin first. ``checks`` are what its answers are
    checked for; ``hold``: streams wait until they have passed; ``retry``: who failed is asked once more. ``balance``:
    those of its route that are as good as each other, of which the least busy is asked first. ``deadline_s``: when an
    answer must be whole, or a stream have begun; 0 for whenever it is.
    """

    route: Annotated[tuple[str, ...], Meta(min_length=1)]
    description: str = ""
    prefer: Prefer | None = None
    soonest: bool = False
    checks: tuple[Literal["edits", "tools", "schema"], ...] = ()
    hold: bool = True
    retry: bool = True
    balance: tuple[str, ...] = ()
    deadline_s: Annotated[float, Meta(ge=0)] = 0.0
    fallback: Fallback = Fallback()


class RateTable(Record, frozen=True, kw_only=True):
    """US dollars per million tokens, as decimals. What is not named costs what the wider kind does."""

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    audio_input: Decimal | None = None
    audio_cache_read: Decimal | None = None
    audio_output: Decimal | None = None
    image_input: Decimal | None = None
    image_cache_read: Decimal | None = None
    image_output: Decimal | None = None
    reasoning: Decimal | None = None


class PriceTier(RateTable, frozen=True, kw_only=True):
    """Rates of all tokens of a request whose prompt is longer; those not named are the usual ones."""

    above_prompt_tokens: Positive


class ServiceTierPrice(RateTable, frozen=True, kw_only=True):
    """Rates of a service tier; those not named are the usual ones. Its tiers are its own."""

    tiers: tuple[PriceTier, ...] = ()


class ModelPrice(RateTable, frozen=True, kw_only=True):
    """What a model costs. Without ``input`` and ``output`` the price book's price holds, within these bounds.

    ``request`` is US dollars for each request. ``max_output_tokens`` bounds an answer without a limit of its own,
    ``max_reasoning_tokens`` what is thought beside the limit, ``context_tokens`` prompt and answer together.
    """

    tiers: tuple[PriceTier, ...] = ()
    service_tiers: Mapping[str, ServiceTierPrice] = msgspec.field(default_factory=dict)
    request: Decimal | None = None
    max_output_tokens: Positive | None = None
    max_reasoning_tokens: Count | None = None
    context_tokens: Positive | None = None

    @property
    def has_rates(self) -> bool:
        """Whether it is a price of its own."""
        return self.input is not None and self.output is not None


class Ceiling(Record, frozen=True):
    """US dollars per million tokens that a model without a price is charged at."""

    input: Decimal
    output: Decimal


class PriceBook(Record, frozen=True):
    """Where prices come from that ``[prices]`` does not name.

    ``enabled``: the public price list that is installed with Lodestar is read. ``refresh_s``: how often it is read
    anew. ``ceiling``: what a model without any price is charged at; without one it is refused.
    """

    enabled: bool = True
    refresh_s: Seconds = 86_400.0
    ceiling: Ceiling | None = None


Scope = Literal["global", "principal", "project", "user", "session", "model", "provider"]


class Budget(Record, frozen=True):
    """What may be spent on something in a window of time. At least one of ``usd``, ``tokens`` and ``requests``.

    ``scope`` and ``of``: of whom; an empty ``of`` gives each project (user, …) a budget of its own. ``window``: day,
    week, month, total, or hours that roll on (``24h``). ``hard``: it holds to the cent; a soft one only alerts.
    ``at_limit``: paid models are passed over for free ones, or everything is refused. ``alert_at``: percentages.
    ``forecast``: alert too where the window is likely to end above the limit.
    """

    scope: Scope = "global"
    of: str = ""
    window: str = "month"
    usd: Decimal | None = None
    tokens: Positive | None = None
    requests: Positive | None = None
    hard: bool = True
    at_limit: Literal["free", "refuse"] = "free"
    alert_at: tuple[int, ...] = (50, 80, 95)
    forecast: bool = True


class RateLimit(Record, frozen=True):
    """How many requests and tokens a minute. ``scope`` and ``of`` as in a budget."""

    scope: Scope = "global"
    of: str = ""
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None


class Client(Record, frozen=True):
    """Somebody with a key of its own. ``key_sha256`` is the key's SHA-256 in hex: the key itself is kept nowhere.

    ``project`` and ``user`` are bound to it. ``models`` are the aliases that it may use, all where there are none.
    ``priority`` holds where a request says nothing. ``expires`` (``2026-12-31``) is the last day on which the key
    opens anything.
    """

    key_sha256: str
    enabled: bool = True
    expires: str = ""
    project: str = ""
    user: str = ""
    models: tuple[str, ...] = ()
    priority: Literal["interactive", "background", "idle", ""] = ""
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None


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
    breaker: BreakerRules = BreakerRules()
    routing: Routing = Routing()
    rules: tuple[Rule, ...] = ()
    traits: Mapping[str, Traits] = msgspec.field(default_factory=dict)
    prices: Mapping[str, ModelPrice] = msgspec.field(default_factory=dict)
    price_book: PriceBook = PriceBook()
    budgets: Mapping[str, Budget] = msgspec.field(default_factory=dict)
    rate_limits: Mapping[str, RateLimit] = msgspec.field(default_factory=dict)
    clients: Mapping[str, Client] = msgspec.field(default_factory=dict)
    residency: Residency = Residency()
    sessions: Sessions = Sessions()
    tasks: tuple[TaskRule, ...] = ()
    modules: Mapping[str, Any] = msgspec.field(default_factory=dict)
