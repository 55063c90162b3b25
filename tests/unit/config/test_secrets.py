"""Keys: found where the configuration says, refused when others may read them, never told."""

import os
import pickle
from collections.abc import Mapping
from pathlib import Path

import pytest

from lodestard.config import ConfigError
from lodestard.config.check import Declared, check
from lodestard.config.secrets import MAX_KEY_BYTES, Keys, resolve_keys, resolve_module_keys
from lodestard.domain.record import Record
from lodestard.domain.secret import Secret
from lodestard.domain.settings import KeySource, Settings, Upstream
from lodestard.module import ModuleSettings


def settings(**keys: KeySource | None) -> Settings:
    return Settings(
        upstreams={name: Upstream(dialect="openai", url="https://a", key=key) for name, key in keys.items()}
    )


def secret_file(folder: Path, text: str = "sk-1\n", mode: int = 0o600) -> str:
    path = folder / "key"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def fault(given: Settings, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve_keys(given, environ or {})
    assert "sk-" not in str(caught.value)
    return str(caught.value)


def test_keys_from_all_three_places(tmp_path: Path) -> None:
    (tmp_path / "openai").write_text("sk-credential\n")
    home = tmp_path / "home"
    home.mkdir()
    secret_file(home, "sk-home")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "XAI_KEY": " sk-env ", "HOME": str(home)}

    keys = resolve_keys(
        settings(
            a=KeySource(credential="openai"),
            b=KeySource(env="XAI_KEY"),
            c=KeySource(file="~/key"),
            d=KeySource(file=str(home / "key")),
            e=None,
        ),
        environ,
    )

    assert {name: key.reveal() for name, key in keys.by_upstream.items()} == {
        "a": "sk-credential",
        "b": "sk-env",
        "c": "sk-home",
        "d": "sk-home",
    }
    assert keys.problems == ()


def test_a_missing_key_takes_out_its_upstream_only(tmp_path: Path) -> None:
    keys: Keys = resolve_keys(
        settings(
            a=KeySource(credential="openai"),
            b=KeySource(env="NONE"),
            c=KeySource(file="/nowhere/key"),
            d=KeySource(env="KEY"),
            e=KeySource(file="/a\0b"),
        ),
        {"KEY": "sk-1"},
    )

    assert list(keys.by_upstream) == ["d"]
    assert [(problem.upstream, problem.message) for problem in keys.problems] == [
        ("a", "no credential 'openai' (/etc/credstore/lodestard.openai, for one that systemd starts)"),
        ("b", "the environment variable NONE is not set"),
        ("c", "file /nowhere/key: No such file or directory"),
        ("e", "file /a\0b: not a path"),
    ]
    missing = resolve_keys(settings(a=KeySource(credential="x")), {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert missing.problems[0].message == "no credential 'x' (/etc/credstore/lodestard.x)"


@pytest.mark.parametrize("text", ["", " \n", "sk-a b", "sk-a\nsk-b", "sk-ä", "sk-\x00"])
def test_a_key_that_is_none_is_a_fault(text: str, tmp_path: Path) -> None:
    assert "upstreams.a.key: the key " in fault(settings(a=KeySource(env="A")), {"A": text})
    assert "the key " in fault(settings(a=KeySource(file=secret_file(tmp_path, text))))


def test_a_fault_has_the_place_of_its_key() -> None:
    with pytest.raises(ConfigError, match=r"^x\.toml:7: upstreams\.a\.key: the key is empty$"):
        resolve_keys(settings(a=KeySource(env="A")), {"A": ""}, {"upstreams.a.key": "x.toml:7"})


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o700])
def test_a_file_that_others_may_use_is_a_fault(mode: int, tmp_path: Path) -> None:
    assert "chmod 600" in fault(settings(a=KeySource(file=secret_file(tmp_path, mode=mode))))


def test_all_faults_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    text = fault(
        settings(
            a=KeySource(env="A"),
            b=KeySource(file=secret_file(tmp_path, "x" * (MAX_KEY_BYTES + 1))),
            c=KeySource(file=str(tmp_path / "pipe")),
        ),
        {"A": ""},
    )

    assert text.splitlines() == [
        "upstreams.a.key: the key is empty",
        f"upstreams.b.key: file {tmp_path}/key is larger than a key can be",
        f"upstreams.c.key: file {tmp_path}/pipe is not a regular file",
    ]


def test_a_file_of_another_user_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = secret_file(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)

    assert "belongs to another user" in fault(settings(a=KeySource(file=file)))


def test_a_secret_does_not_tell_itself() -> None:
    secret = Secret("sk-1")

    assert "sk-1" not in f"{secret} {secret!r} {[secret]} {secret!s:>9}"
    assert secret.reveal() == "sk-1"
    assert secret == Secret("sk-1")
    assert secret != Secret("sk-2")
    assert secret != "sk-1"
    assert hash(secret) == hash(Secret("sk-1"))
    with pytest.raises(TypeError):
        pickle.dumps(secret)


class Channel(Record, frozen=True):
    key: KeySource | None = None


class Talkative(ModuleSettings, frozen=True):
    webhook: Channel = Channel()
    more: Mapping[str, Channel] = {}


def of_modules(*, enabled: bool = True, **keys: KeySource) -> Settings:
    more = {name: Channel(key=key) for name, key in keys.items()}
    return Settings(modules={"talk": Talkative(enabled=enabled, webhook=Channel(), more=more)})


def test_secrets_of_modules_are_found_wherever_their_tables_name_them(tmp_path: Path) -> None:
    there, nowhere = KeySource(env="HOOK"), KeySource(env="NOWHERE")
    secret = resolve_module_keys(of_modules(a=there, b=nowhere), {"HOOK": "sk-hook"})

    assert secret(there).reveal() == "sk-hook"
    with pytest.raises(LookupError, match="NOWHERE is not set"):
        secret(nowhere)
    with pytest.raises(LookupError, match="does not name"):
        secret(KeySource(env="HOOK2"))
    assert "sk-hook" not in repr(secret)


def test_a_secret_of_a_module_that_must_not_be_used_is_a_fault(tmp_path: Path) -> None:
    wrong = KeySource(file=secret_file(tmp_path, mode=0o644))
    with pytest.raises(ConfigError) as caught:
        resolve_module_keys(of_modules(a=wrong), {}, {"modules.talk.more.a.key": "f:3"})
    (told,) = caught.value.faults
    assert (told.key, str(told.place)) == ("modules.talk.more.a.key", "f:3")
    assert resolve_module_keys(of_modules(enabled=False, a=wrong), {}).found == {}


def test_the_place_of_a_module_s_secret_is_checked() -> None:
    findings = list(
        check(of_modules(a=KeySource(), b=KeySource(env="not a name")), Declared(frozenset(), frozenset()))
    )
    told = {finding.path[3:]: finding.message for finding in findings if finding.path[0] == "modules"}
    assert "exactly one" in told["a", "key"]
    assert "environment variable" in told["b", "key", "env"]
