"""TLS in the real process: its certificate is renewed while it serves, and one that can't be used changes nothing."""

import http.client
import json
import signal
import socket
import ssl
from functools import partial
from pathlib import Path

import pytest

from tests.fakes.certificate import make_certificate
from tests.fakes.handing_over import Holder
from tests.fakes.ports import free_port
from tests.fakes.process import CHAT, KEY, MakeDaemon, question, wait_for

pytestmark = pytest.mark.daemon


def make(folder: Path, name: str) -> tuple[Path, Path]:
    place = folder / name
    place.mkdir()
    return make_certificate(place)


def fingerprint(port: int) -> bytes:
    """The certificate that a new connection is shown."""
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port), timeout=5))


def der(cert: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(cert.read_text())


def ask(port: int, cert: Path) -> int:
    """A chat completion under TLS; its status."""
    context = ssl.create_default_context(cafile=str(cert))
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    try:
        body = json.dumps(question("auto")).encode()
        connection.request("POST", CHAT, body, {"content-type": "application/json"})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def answers(port: int, cert: Path) -> bool:
    return ask(port, cert) == http.client.OK


def test_a_certificate_is_shown_renewed_and_kept_when_the_new_one_is_broken(
    make_daemon: MakeDaemon, tmp_path: Path
) -> None:
    daemon, secure_port = make_daemon(), free_port()
    cert, key = make(tmp_path, "first")
    listen = [f"127.0.0.1:{daemon.port}", f"https://127.0.0.1:{secure_port}"]
    tls = {"cert_file": str(cert), "key_file": str(key)}
    daemon.write({"server": {"listen": listen, "tls": tls}})
    daemon.start()
    assert ask(secure_port, cert) == daemon.ask("auto").status == 200
    status = daemon.ctl_json("status")
    assert f"https://127.0.0.1:{secure_port}" in {each["address"] for each in status["listeners"]}
    assert f"https://127.0.0.1:{secure_port}" in daemon.ctl("status").stdout
    assert "expires in 2 days" in daemon.ctl("doctor").stdout  # the test's certificate lives as long
    assert "plain HTTP" not in daemon.ctl("doctor").stdout

    held = ssl.create_default_context(cafile=str(cert)).wrap_socket(
        socket.create_connection(("127.0.0.1", secure_port)), server_hostname="127.0.0.1"
    )
    second, second_key = make(tmp_path, "second")
    cert.write_bytes(second.read_bytes())
    key.write_bytes(second_key.read_bytes())
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: fingerprint(secure_port) == der(second), "the new certificate is shown")
    held.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert held.recv(100).startswith(b"HTTP/1.1 200")
    held.close()

    key.write_text("no key")
    report = json.loads(daemon.ctl("--json", "config", "reload").stdout)["data"]
    (fault,) = report["faults"]
    assert fault["key"] == "server.tls"
    assert str(key) in fault["message"]
    assert daemon.ctl("config", "check").returncode == 1
    key.write_bytes(second_key.read_bytes())
    key.chmod(0o644)
    assert "chmod 600" in daemon.ctl("config", "reload").stdout
    assert ask(secure_port, second) == 200
    key.chmod(0o600)

    daemon.write({"server": {"listen": listen[:1], "tls": {"cert_file": "", "key_file": ""}}})
    refused = daemon.ctl("config", "reload")
    assert refused.returncode == 1
    assert "an address under TLS is open" in refused.stdout
    assert ask(secure_port, second) == 200
    assert daemon.stop() == 0
    assert KEY not in daemon.log
    assert "PRIVATE" not in daemon.log


def test_it_does_not_start_with_a_certificate_that_can_not_be_used(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    daemon = make_daemon()
    cert, key = make(tmp_path, "first")
    key.chmod(0o644)
    listen = [f"https://127.0.0.1:{daemon.port}"]
    daemon.write({"server": {"listen": listen, "tls": {"cert_file": str(cert), "key_file": str(key)}}})
    done = daemon.run("--check")
    assert done.returncode == 78
    assert "chmod 600" in done.stdout
    daemon.spawn()
    assert daemon.wait() == 78
    assert str(key) in daemon.log


def test_a_socket_that_it_was_handed_is_under_tls_by_its_name(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    cert, key = make(tmp_path, "first")
    tls = {"cert_file": str(cert), "key_file": str(key)}
    for settings, status in (({"server": {"tls": tls}}, 0), ({}, 78)):
        daemon = make_daemon(settings)
        with socket.create_server(("127.0.0.1", 0)) as proxy:
            port = proxy.getsockname()[1]
            daemon.spawn(**Holder({"proxy-tls": proxy}).how)
        if status:
            assert daemon.wait() == status
            assert "needs a certificate" in daemon.log
        else:
            wait_for(partial(answers, port, cert), "it answers under TLS")
            assert daemon.stop() == 0


def test_a_restart_hands_on_what_is_under_tls(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    daemon, secure_port = make_daemon(), free_port()
    cert, key = make(tmp_path, "first")
    listen = [f"127.0.0.1:{daemon.port}", f"https://127.0.0.1:{secure_port}"]
    daemon.write({"server": {"listen": listen, "tls": {"cert_file": str(cert), "key_file": str(key)}}})
    daemon.start()
    assert ask(secure_port, cert) == daemon.ask("auto").status == 200
    assert daemon.ctl("restart").returncode == 0
    assert ask(secure_port, cert) == daemon.ask("auto").status == 200
    addresses = {each["address"] for each in daemon.ctl_json("status")["listeners"]}
    assert {f"127.0.0.1:{daemon.port}", f"https://127.0.0.1:{secure_port}"} <= addresses
