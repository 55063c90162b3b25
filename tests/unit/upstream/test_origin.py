import pytest

from lodestard.upstream.origin import Origin, parse_origin


@pytest.mark.parametrize(
    ("url", "origin", "address", "host_field"),
    [
        ("http://GPU.lan:11434", Origin("http", "gpu.lan", 11434), "gpu.lan:11434", "gpu.lan:11434"),
        ("https://api.openai.com/v1", Origin("https", "api.openai.com", 443), "api.openai.com:443", "api.openai.com"),
        ("http://[::1]:80/", Origin("http", "::1", 80), "[::1]:80", "[::1]"),
        ("http://bücher.example", Origin("http", "xn--bcher-kva.example", 80), "xn--bcher-kva.example:80", None),
    ],
)
def test_parse(url: str, origin: Origin, address: str, host_field: str | None) -> None:
    assert parse_origin(url) == origin
    assert parse_origin(url).address == address
    if host_field is not None:
        assert parse_origin(url).host_field == host_field


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://a", "starts with http"),
        ("gpu.lan:11434", "starts with http"),
        ("http://", "names no host"),
        ("http://a/?key=1", "no query"),
        ("http://a/#x", "no fragment"),
        ("http://a:99999", "ort"),
        ("http://" + "ü" * 64, "not a host name"),
    ],
)
def test_refused(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_origin(url)


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="use its key") as caught:
        parse_origin("https://me:hunter2@api.example/")
    assert "hunter2" not in str(caught.value)
