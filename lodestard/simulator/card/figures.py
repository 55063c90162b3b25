"""Every figure of the simulated machine, in frozen records: the card, its models, the server's settings.

Law: nothing else in the simulator holds a number about a card or a model. Figures of the T600 are from its data
sheet and from arithmetic over llama.cpp's layout; they are estimates, made to be replaced by measured ones.
"""

import hashlib

import msgspec

MIB = 1 << 20
GIB = 1 << 30


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """The graphics card and the host around it. Rates are bytes or operations a second."""

    vram_bytes: int = 4 * GIB
    reserve_bytes: int = 1024 * MIB
    """Left free by llama.cpp's fit when it places layers."""
    overhead_bytes: int = 300 * MIB
    """CUDA context and compute buffers of one runner."""
    gpu_bytes_per_s: float = 160e9
    cpu_bytes_per_s: float = 40e9
    flops_per_s: float = 2.5e12
    disk_bytes_per_s: float = 0.5e9
    page_cache_bytes_per_s: float = 8e9
    upload_bytes_per_s: float = 4e9
    page_cache_bytes: int = 12 * GIB
    ram_bytes: int = 32 * GIB
    """What the host has for weights and KV cache that do not lie on the card."""
    network_bytes_per_s: float = 12.5e6
    """At which a model is downloaded: 100 Mbit/s."""
    spawn_s: float = 1.5
    """Fixed part of a load: process start, context, graph reservation, health poll."""
    unload_s: float = 1.0


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model as its file describes it."""

    name: str
    family: str
    parameters: int
    parameter_size: str
    quantization: str
    file_bytes: int
    layers: int
    kv_heads: int
    heads: int
    head_dim: int
    embedding_length: int
    context_tokens: int
    capabilities: tuple[str, ...] = ("completion",)

    @property
    def kv_bytes_per_token(self) -> int:
        """K and V in f16 over all layers."""
        return 2 * 2 * self.layers * self.kv_heads * self.head_dim

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()

    def can(self, capability: str) -> bool:
        return capability in self.capabilities


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """Fixed rates in place of the card's arithmetic; None: the arithmetic's. ``scale`` stretches all time."""

    scale: float = 1.0
    load_s: float | None = None
    unload_s: float | None = None
    prefill_tokens_per_s: float | None = None
    decode_tokens_per_s: float | None = None


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What Ollama reads from its environment."""

    version: str = "0.33.0"
    keep_alive_s: float = 300.0
    context_tokens: int = 4096
    parallel: int = 1
    max_queue: int = 512
    max_loaded: int = 3
    tells_context: bool = True
    """Whether ``/api/ps`` has ``context_length``, as servers of before 0.10 do not."""
    checks_host: bool = False
    """Bound to loopback, Ollama refuses a ``Host`` that is no local name; bound elsewhere it takes any."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated Ollama machine, whole."""

    card: Card = Card()
    pace: Pace = Pace()
    server: ServerSettings = ServerSettings()
    models: tuple[Model, ...] = ()


DEEPSEEK_CODER = Model(
    name="deepseek-coder:6.7b",
    family="llama",
    parameters=6_740_000_000,
    parameter_size="7B",
    quantization="Q4_0",
    file_bytes=3_800_000_000,
    layers=32,
    kv_heads=32,
    heads=32,
    head_dim=128,
    embedding_length=4096,
    context_tokens=16384,
    capabilities=("completion", "insert"),
)
LLAMA = Model(
    name="llama3.1:8b",
    family="llama",
    parameters=8_030_000_000,
    parameter_size="8.0B",
    quantization="Q4_K_M",
    file_bytes=4_900_000_000,
    layers=32,
    kv_heads=8,
    heads=32,
    head_dim=128,
    embedding_length=4096,
    context_tokens=131072,
    capabilities=("completion", "tools"),
)
MOONDREAM = Model(
    name="moondream:1.8b",
    family="phi2",
    parameters=1_420_000_000,
    parameter_size="1B",
    quantization="Q4_0",
    file_bytes=1_740_000_000,
    layers=24,
    kv_heads=32,
    heads=32,
    head_dim=64,
    embedding_length=2048,
    context_tokens=2048,
    capabilities=("completion", "vision"),
)
QWEN = Model(
    name="qwen3:1.7b",
    family="qwen3",
    parameters=2_030_000_000,
    parameter_size="2.0B",
    quantization="Q4_K_M",
    file_bytes=1_360_000_000,
    layers=28,
    kv_heads=8,
    heads=16,
    head_dim=128,
    embedding_length=2048,
    context_tokens=40960,
    capabilities=("completion", "tools", "thinking"),
)
NOMIC = Model(
    name="nomic-embed-text:latest",
    family="nomic-bert",
    parameters=137_000_000,
    parameter_size="137M",
    quantization="F16",
    file_bytes=274_000_000,
    layers=12,
    kv_heads=12,
    heads=12,
    head_dim=64,
    embedding_length=768,
    context_tokens=2048,
    capabilities=("embedding",),
)

ALL_MODELS = (DEEPSEEK_CODER, LLAMA, MOONDREAM, QWEN, NOMIC)
T600 = Machine(models=ALL_MODELS)
"""As slow as the real card."""
DEMO = Machine(
    models=ALL_MODELS,
    pace=Pace(load_s=1.2, unload_s=0.3, prefill_tokens_per_s=4000.0, decode_tokens_per_s=40.0),
)
"""Feels like a card, but does not keep anyone waiting."""
INSTANT = Machine(models=ALL_MODELS, pace=Pace(scale=0.0))
"""No waiting at all; the VRAM rules hold all the same."""
MACHINES = {"t600": T600, "demo": DEMO, "instant": INSTANT}
