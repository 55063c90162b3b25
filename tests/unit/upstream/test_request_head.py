import pytest

from lodestard.upstream.origin import Origin
from lodestard.upstream.request_head import OURS, Fields, encode_fields, encode_head

ORIGIN = Origin("https", "api.example", 443)


def test_head() -> None:
    fields = Fields(ORIGIN, [("authorization", "Bearer k"), ("X-Org", "ü")])
    head = encode_head("POST", "/v1/x?y=1", fields, [("content-type", "application/json")], b"{}")
    assert head == (
        b"POST /v1/x?y=1 HTTP/1.1\r\ncontent-length: 2\r\nhost: api.example\r\naccept-encoding: identity\r\n"
        b"authorization: Bearer k\r\nX-Org: \xfc\r\ncontent-type: application/json\r\n\r\n"
    )


def test_a_caller_cannot_replace_what_the_pool_says() -> None:
    fields = Fields(ORIGIN, [("Authorization", "Bearer ours")])
    head = encode_head("GET", "/", fields, [("authorization", "Bearer theirs"), ("x", "1")], b"")
    assert head.count(b"uthorization") == 1
    assert b"theirs" not in head
    assert b"content-length" not in head


def test_an_empty_post_has_a_length() -> None:
    assert b"content-length: 0\r\n" in encode_head("POST", "/", Fields(ORIGIN), [], b"")


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\n", "ä", "a\x00"])
def test_bad_names(name: str) -> None:
    with pytest.raises(ValueError, match="not a header's name"):
        encode_fields([(name, "1")])


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\x00", "\u2028", "a\x7f", "trailing\n"])
def test_bad_values_are_not_repeated(value: str) -> None:
    with pytest.raises(ValueError, match="the value of the header x-key holds a character") as caught:
        encode_fields([("x-key", value)])
    assert value not in str(caught.value)


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_connections_own_fields_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="can't be set"):
        encode_fields([(name.title(), "1")])


@pytest.mark.parametrize(
    ("method", "path"), [("get", "/"), ("GET /x", "/"), ("GET", "x"), ("GET", "/a b"), ("GET", "/\r\n"), ("GET", "")]
)
def test_bad_request_lines(method: str, path: str) -> None:
    with pytest.raises(ValueError, match="method and a path"):
        encode_head(method, path, Fields(ORIGIN), [], b"")


def test_fields_never_show_a_value() -> None:
    fields = Fields(ORIGIN, [("authorization", "Bearer sk-canary")])
    assert repr(fields) == "Fields(authorization)"
