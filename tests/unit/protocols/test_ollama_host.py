"""What an Ollama server says of its models, by old versions and new; and what it is asked."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.domain.pins import is_nought, pinned_members
from lodestard.domain.residency import InstalledModel, LoadedModel, ModelDetails, PullProgress
from lodestard.domain.settings import LocalModel, Upstream
from lodestard.protocols.ollama.host import (
    VERSION_CHARS,
    read_details,
    read_done,
    read_expiry,
    read_installed,
    read_loaded,
    read_progress,
    read_refusal,
    read_version,
    write_load,
    write_pull,
    write_show,
    write_unload,
)

NEW_ENTRY = {
    "name": "llama3.1:8b",
    "model": "llama3.1:8b",
    "size": 5_900_000_000,
    "digest": "46e0c10c039e",
    "details": {"parent_model": "", "format": "gguf", "families": None},
    "expires_at": "2026-11-20T11:10:00.123456789+01:00",
    "size_vram": 2_600_000_000,
    "context_length": 8192,
}
SHOW: dict[str, Any] = {
    "license": "…",
    "details": {"family": "llama"},
    "model_info": {
        "general.architecture": "llama",
        "llama.block_count": 32,
        "llama.attention.head_count_kv": 8,
        "llama.embedding_length": 4096,
        "llama.context_length": 131072,
        "tokenizer.ggml.tokens": None,
    },
    "capabilities": ["completion", "tools"],
}


def body(value: object) -> bytes:
    return json.dumps(value).encode()


def upstream(**members: Any) -> Upstream:
    return Upstream(dialect="ollama", url="http://127.0.0.1:11434", free=True, **members)


def test_what_is_in_memory() -> None:
    assert read_loaded(body({"models": [NEW_ENTRY]})) == (
        LoadedModel(
            model="llama3.1:8b",
            size_bytes=5_900_000_000,
            vram_bytes=2_600_000_000,
            context_tokens=8192,
            expires_ms=1_795_169_400_123,
            digest="46e0c10c039e",
        ),
    )


def test_an_old_server_says_less() -> None:
    old = {"name": "llama3.1:8b", "size": 5, "size_vram": 2, "expires_at": "2026-11-20T10:10:00Z"}
    (model,) = read_loaded(body({"models": [old]}))
    assert (model.model, model.vram_bytes, model.context_tokens, model.digest) == ("llama3.1:8b", 2, 0, "")
    assert read_loaded(body({"models": [{"model": "m"}]})) == (LoadedModel(model="m"),)


@pytest.mark.parametrize("read", [read_loaded, read_installed])
def test_no_models_may_be_null(read: Any) -> None:
    assert read(b'{"models":null}') == ()
    assert read(b'{"models":[]}') == ()


@pytest.mark.parametrize(
    ("text", "expires_ms"),
    [
        ("2026-11-20T10:10:00Z", 1_795_169_400_000),
        ("2026-11-20T10:10:00.999999999-00:30", 1_795_171_200_999),
        ("0001-01-01T00:00:00Z", None),
        ("2318-02-28T22:47:16.777Z", None),
        ("2317-01-01T00:00:00+14:00", None),
        ("", None),
        ("never", None),
    ],
)
def test_when_it_expires(text: str, expires_ms: int | None) -> None:
    assert read_expiry(text) == expires_ms


def test_what_is_on_its_disk() -> None:
    listed = read_installed(body({"models": [{**NEW_ENTRY, "modified_at": "x"}, {"name": "old:7b", "size": 3}]}))
    assert listed == (
        InstalledModel(model="llama3.1:8b", size_bytes=5_900_000_000, digest="46e0c10c039e"),
        InstalledModel(model="old:7b", size_bytes=3),
    )


def test_what_it_says_of_one_model() -> None:
    assert read_details("llama3.1:8b", body(SHOW)) == ModelDetails(
        model="llama3.1:8b",
        capabilities=("completion", "tools"),
        context_tokens=131072,
        layers=32,
        kv_heads=8,
        embedding_length=4096,
    )


@pytest.mark.parametrize("info", [None, {}, {"general.architecture": 3}, {"general.architecture": "other"}])
def test_details_that_it_does_not_tell_are_nought(info: object) -> None:
    said = {"details": {}} if info is None else {"details": {}, "model_info": info}
    assert read_details("m", body(said)) == ModelDetails(model="m")


@pytest.mark.parametrize(
    ("heads", "most"), [(8, 8), ([0, 0, 4, 0, 2], 4), ([], 0), (None, 0), ("8", 0), (True, 0), (-1, 0), (8.5, 0)]
)
def test_heads_may_be_one_number_for_each_layer(heads: object, most: int) -> None:
    info = {"general.architecture": "lfm2", "lfm2.attention.head_count_kv": heads}
    assert read_details("m", body({"model_info": info})).kv_heads == most


def test_its_version() -> None:
    assert read_version(b'{"version":"0.33.0-rc2"}') == "0.33.0-rc2"
    assert len(read_version(body({"version": "9" * 5000}))) == VERSION_CHARS
    assert read_version(b'{"version":"0.1\\u001b[31m"}') == "0.1 [31m"


def test_progress() -> None:
    line = {"status": "pulling 46e0c10c039e", "digest": "sha256:46e0", "total": 10, "completed": 3}
    assert read_progress(body(line)) == PullProgress(
        status="pulling 46e0c10c039e", done_bytes=3, total_bytes=10, digest="sha256:46e0"
    )
    assert read_progress(b'{"status":"success"}') == PullProgress(status="success")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("pull model manifest: file does not exist", Code.UPSTREAM_MODEL_MISSING),
        ("max retries exceeded: write /blobs: no space left on device", Code.UPSTREAM_ERROR),
    ],
)
def test_a_pull_that_fails_says_so_in_a_line(said: str, code: Code) -> None:
    with pytest.raises(UpstreamFault, match=said[:20]) as caught:
        read_progress(body({"error": said}))
    assert caught.value.code is code
    assert said not in caught.value.own_words


GARBAGE = [
    b"",
    b"nonsense",
    b"\xff\xfe",
    b'"\xff"',
    b"[]",
    b"null",
    b'{"models":{}}',
    b'{"models":[3]}',
    b'{"models":[{}]}',
    b'{"models":[{"model":""}]}',
    b'{"models":[{"model":3}]}',
    b'{"models":[{"model":"m","size":"big"}]}',
    b'{"models":[{"model":"m","size":-1}]}',
    b'{"models":[{"model":"m","size":99999999999999999999999}]}',
    b'{"models":[{"model":"m","expires_at":5}]}',
    b"[" * 100_000,
    b'{"models":' + b"[" * 100_000,
    b'{"x":' + b"[" * 50_000 + b"]" * 50_000 + b',"models":[]}',
]


@pytest.mark.parametrize("read", [read_loaded, read_installed])
@pytest.mark.parametrize("text", GARBAGE)
def test_garbage_is_one_fault(read: Any, text: bytes) -> None:
    with pytest.raises(UpstreamFault) as caught:
        read(text)
    assert caught.value.code is Code.UPSTREAM_GARBAGE


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (read_version, b'{"version":""}'),
        (read_version, b'{"version":1}'),
        (read_version, b"{}"),
        (read_done, b"{}"),
        (read_done, b'{"done":"yes"}'),
        (read_progress, b"{}"),
        (read_progress, b'{"status":"x","total":-5}'),
        (lambda text: read_details("m", text), b'{"model_info":[]}'),
        (lambda text: read_details("m", text), b'{"capabilities":"tools"}'),
    ],
)
def test_other_garbage(read: Any, text: bytes) -> None:
    with pytest.raises(UpstreamFault) as caught:
        read(text)
    assert caught.value.code is Code.UPSTREAM_GARBAGE


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_are_a_fault(text: bytes) -> None:
    for read in (read_version, read_loaded, read_installed, read_done, read_progress):
        try:
            read(text)
        except UpstreamFault as fault:
            assert fault.code in (Code.UPSTREAM_GARBAGE, Code.UPSTREAM_ERROR, Code.UPSTREAM_MODEL_MISSING)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*NEW_ENTRY, "models"]), inner),
    max_leaves=20,
)


@given(st.fixed_dictionaries({"models": JSON}))
def test_any_json_is_models_or_a_fault(value: dict[str, object]) -> None:
    try:
        models = read_loaded(body(value))
    except UpstreamFault as fault:
        assert fault.code is Code.UPSTREAM_GARBAGE
    else:
        assert all(model.model and model.size_bytes >= 0 for model in models)


def test_a_load_that_is_done() -> None:
    read_done(b'{"model":"m","done":true,"done_reason":"load"}')
    with pytest.raises(UpstreamFault, match="no luck"):
        read_done(b'{"error":"no luck"}')


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (404, b'{"error":"model \'m\' not found"}', Code.UPSTREAM_MODEL_MISSING),
        (404, b"404 page not found", Code.UPSTREAM_ERROR),
        (404, b"<html><title>Not here</title></html>", Code.UPSTREAM_ERROR),
        (404, b'{"detail":"Not Found"}', Code.UPSTREAM_ERROR),
        (400, b'{"error":"this exceeds the context length"}', Code.UPSTREAM_REJECTED),
        (403, b"", Code.UPSTREAM_AUTH),
        (500, b'{"error":"model requires more system memory (5.2 GiB) than is available"}', Code.UPSTREAM_ERROR),
        (503, b'{"error":"server busy"}', Code.UPSTREAM_RATE_LIMITED),
        (499, b'{"error":"request canceled"}', Code.UPSTREAM_ERROR),
    ],
)
def test_refusals(status: int, text: bytes, code: Code) -> None:
    fault = read_refusal(status, text)
    assert (fault.code, fault.status, fault.billed) == (code, status, False)
    assert "<" not in fault.message


@pytest.mark.parametrize("zero", [0, "0s", "-0s", "0h0m", "0.0ms"])
def test_a_load_never_says_unload(zero: str | int) -> None:
    assert is_nought(zero)
    settings = upstream(keep_alive=zero, options={"num_ctx": 4096})
    assert json.loads(write_load(settings, "m")) == {
        "model": "m",
        "messages": [],
        "stream": False,
        "options": {"num_ctx": 4096},
    }


@pytest.mark.parametrize("some", ["", -1, 300, "10m", "-1m", "0h5m", "0.5s"])
def test_what_is_some_time(some: str | int) -> None:
    assert not is_nought(some)


def test_a_load_carries_what_requests_carry() -> None:
    settings = upstream(
        keep_alive="10m", options={"num_ctx": 4096}, models={"m:latest": LocalModel(options={"num_gpu": 14})}
    )
    load = json.loads(write_load(settings, "m"))
    assert load == {"model": "m", "messages": [], "stream": False, **pinned_members(settings, "m")}
    assert load["options"] == {"num_ctx": 4096, "num_gpu": 14}


def test_what_else_is_asked() -> None:
    assert json.loads(write_unload("m")) == {"model": "m", "messages": [], "stream": False, "keep_alive": 0}
    assert json.loads(write_show("m")) == {"model": "m", "name": "m"}
    assert json.loads(write_pull("m")) == {"model": "m", "name": "m", "stream": True}
