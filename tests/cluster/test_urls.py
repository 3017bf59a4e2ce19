import pytest

from edgeproxy.cluster.urls import path, worker_url


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://w1:8000", "http://w1:8000"),
        ("http://w1:8000/", "http://w1:8000"),
        ("https://203-0-113-45.trycloudflare.com", "https://203-0-113-45.trycloudflare.com"),
        ("http://w_1.local./base/", "http://w_1.local./base"),
        ("http://[2001:db8::1]:80/a%20b", "http://[2001:db8::1]:80/a%20b"),
        ("http://127.0.0.1:8105", "http://127.0.0.1:8105"),
        ("HTTP://Host", "HTTP://Host"),
    ],
)
def test_good_urls(given: str, expected: str) -> None:
    assert worker_url(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        "",
        "w1:8000",
        "ftp://w1",
        "http://",
        "http:///path",
        "http://w1:0",
        "http://w1:",
        "http://w1:65536",
        "http://w1:8a",
        "http://user@w1",
        "http://user:pass@w1",
        "http://w1?x=1",
        "http://w1/?",
        "http://w1/#frag",
        "http://w1/a b",
        "http://w1/\r\nX: y",
        "http://w1/%zz",
        "http://w1\\@evil/",
        "http://-w1",
        "http://w..1",
        "http://ünicode",
        "http://169.254.169.254/latest",
        "http://[fe80::1]",
        "http://[fd00::1%25eth0]",
        "http://[::ffff:169.254.169.254]",
        "http://0.0.0.0:80",
        "http://[::]:80",
        "http://224.0.0.1",
        "http://2852039166",
        "http://0xa9fea9fe",
        "http://169.254.43518",
        "http://[::1",
        "http://" + "a" * 64,
        "http://w1/" + "a" * 2048,
    ],
)
def test_bad_urls(given: str) -> None:
    with pytest.raises(ValueError, match=r"URL|reached"):
        worker_url(given)


@pytest.mark.parametrize("given", ["/", "/health", "/a/b?deep=1&x=%20", "/api/v1/heartbeat"])
def test_good_paths(given: str) -> None:
    assert path(given) == given


@pytest.mark.parametrize("given", ["", "health", "/a b", "/a\r\n", "/a?b c", "/a?b#c", "/ü", "http://x/"])
def test_bad_paths(given: str) -> None:
    with pytest.raises(ValueError, match=r"path|query"):
        path(given)
