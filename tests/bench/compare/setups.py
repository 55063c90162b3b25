"""How each server is set up: the same upstream, its own recommended settings for production, and little in its log.

Each is one process that does the work (nginx: one worker; LiteLLM: one worker, no database), for of two cores the
load and the upstream need the other one. nginx and the relay are measures, not rivals: they do nothing but pass on.
"""

import os
import secrets
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.bench.compare import asks, kit
from tests.bench.compare.gateway import Setup
from tests.fakes.ports import free_port

MAIN = {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(kit.ROOT)}
# What LiteLLM would fetch from the internet at its start; it has copies of its own.
LITELLM_OFFLINE = (
    "MODEL_COST_MAP", "ANTHROPIC_BETA_HEADERS", "BLOG_POSTS", "POLICY_TEMPLATES", "AUTOROUTER_PRESETS",
)  # fmt: skip

NGINX = """\
{user}worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log error;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  client_max_body_size 32m;
  client_body_buffer_size 256k;
  keepalive_requests 1000000000;
  upstream canned {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000; }}
  upstream second {{
    server 127.0.0.1:{refused};
    server 127.0.0.1:{upstream} backup;
    keepalive 512;
    keepalive_requests 1000000000;
  }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_next_upstream error non_idempotent;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://canned; proxy_buffers 16 16k; proxy_buffer_size 16k; }}
    location ~ ^/(fast|paced|brief|long)/ {{ proxy_pass http://canned; proxy_buffering off; }}
    location /fallback/ {{ proxy_pass http://second/1k/; }}
  }}
}}
"""

LODESTARD = """\
state_dir = "{folder}/state"

[server]
listen = ["127.0.0.1:{port}"]

[server.limits]
connections_per_peer = 12000  # all clients of the comparison come from one address

[control]
socket = "{folder}/control.sock"

[log]
level = "warning"

[cache]
{cache}

[ledger]
baseline = "paid/canned"
retention_days = 3650

[prices."paid/canned"]
input = 3.0
output = 15.0

[budgets.all]
usd = 1000000.0

[budgets.each_project]
scope = "project"
usd = 1000000.0

[budgets.each_user]
scope = "user"
window = "24h"
tokens = 1000000000000
"""

LODESTARD_UPSTREAM = """
[upstreams.{name}]
dialect = "openai"
url = "http://127.0.0.1:{port}/{answer}/v1"
free = {free}
connections = 512
concurrency = 512
preopen = 2
"""


@dataclass(frozen=True)
class Place:
    """Where everything is: a folder for files, the upstream's port and a port that refuses."""

    folder: Path
    upstream_port: int
    refused_port: int


def upstream(port: int) -> Setup:
    """The canned upstream itself: what a direct call costs."""
    return Setup("direct", [kit.compiled("upstream"), str(port)], port, asks.by_path)


def nginx(place: Place) -> Setup:
    port, config = free_port(), place.folder / "nginx.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""
    text = NGINX.format(
        user=user, folder=place.folder, port=port, upstream=place.upstream_port, refused=place.refused_port
    )
    config.write_text(text)
    return Setup("nginx", [kit.find("nginx"), "-c", str(config), "-p", str(place.folder)], port, asks.by_path)


def relay(place: Place) -> Setup:
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.compare.relay_at", str(place.upstream_port), str(port)]
    return Setup("relay", command, port, asks.by_path, MAIN, signal.SIGINT)


def lodestard(place: Place, name: str = "lodestard", cache: str = "") -> Setup:
    """All features on: cache, ledger, budgets, traces."""
    port, folder = free_port(), place.folder / name.replace(" ", "-")
    folder.mkdir(exist_ok=True)
    text = LODESTARD.format(folder=folder, port=port, cache=cache)
    for answer in asks.ANSWERS:
        text += _lodestard_upstream(f"u{answer}", place.upstream_port, answer, free=True)
        text += f'\n[models."{answer}"]\nroute = ["u{answer}/canned"]\n'
    text += _lodestard_upstream("refused", place.refused_port, "1k", free=True)
    text += _lodestard_upstream("paid", place.upstream_port, "1k", free=False)
    text += f'\n[models.{asks.FALLBACK}]\nroute = ["refused/canned", "u1k/canned"]\n'
    text += f'\n[models.{asks.PAID}]\nroute = ["paid/canned"]\n'
    config = folder / "lodestard.toml"
    config.write_text(text)
    command = [sys.executable, "-m", "lodestard", "--config", str(config)]
    return Setup(name, command, port, asks.by_model, MAIN, signal.SIGINT)


def _lodestard_upstream(name: str, port: int, answer: str, *, free: bool) -> str:
    return LODESTARD_UPSTREAM.format(name=name, port=port, answer=answer, free=str(free).lower())


def portkey(place: Place) -> Setup:
    script = kit.PORTKEY / "build/start-server.js"
    if not script.exists():
        raise kit.MissingError("the Portkey gateway is not installed in .node-portkey")
    port = free_port()
    command = [
        kit.find("node"),
        "--require",
        str(kit.HERE / "loopback.cjs"),
        str(script),
        "--headless",
        f"--port={port}",
    ]
    dialect = asks.portkey(place.upstream_port, place.refused_port)
    return Setup("portkey", command, port, dialect, {"NODE_ENV": "production"})


def litellm(place: Place) -> Setup:
    if not kit.LITELLM.exists():
        raise kit.MissingError("the LiteLLM proxy is not installed in .venv-litellm")
    port, key, config = free_port(), f"sk-{secrets.token_hex(24)}", place.folder / "litellm.yaml"
    ports = dict.fromkeys(asks.ANSWERS, place.upstream_port)
    models = [_litellm_model(answer, place.upstream_port, answer) for answer in ports]
    models.append(_litellm_model(asks.FALLBACK, place.refused_port, "1k"))
    config.write_text(
        "model_list:\n"
        + "".join(models)
        + "litellm_settings: {num_retries: 0, request_timeout: 600, telemetry: false, "
        "cache: true, cache_params: {type: local, mode: default_off}}\n"
        f"router_settings: {{num_retries: 0, fallbacks: [{{{asks.FALLBACK}: [1k]}}]}}\n"
        f"general_settings: {{master_key: {key}}}\n"
    )
    command = [str(kit.LITELLM), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    environ = {f"LITELLM_LOCAL_{name}": "True" for name in LITELLM_OFFLINE}
    environ |= {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "DISABLE_ADMIN_UI": "True", "NO_DOCS": "True"}
    return Setup(
        "litellm", [*command, "--num_workers", "1", "--telemetry", "False"], port, asks.litellm(key), environ
    )


def _litellm_model(name: str, port: int, answer: str) -> str:
    base = f"http://127.0.0.1:{port}/{answer}/v1"
    return (
        f'  - {{model_name: {name}, litellm_params: {{model: openai/canned, api_base: "{base}", api_key: none}}}}\n'
    )
