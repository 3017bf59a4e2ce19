"""Every notation of SHARED_STORE_URL, and what is wrong with others: in words that show no secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.cluster.store.url import StoreUrl, store_url

AUTH = {"username": "me", "password": "p@ss"}
THREE = (("s1", 26379), ("s2", 1234), ("::1", 26379))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("redis://h", StoreUrl("server", (("h", 6379),))),
        ("valkey://h:1/2", StoreUrl("server", (("h", 1),), database=2)),
        ("redis://h/?db=3", StoreUrl("server", (("h", 6379),), database=3)),
        ("redis://[::1]:7", StoreUrl("server", (("::1", 7),))),
        ("redis://me:p%40ss@h", StoreUrl("server", (("h", 6379),), user=AUTH)),
        ("redis://:p%40ss@h", StoreUrl("server", (("h", 6379),), user={"password": "p@ss"})),
        ("rediss://h", StoreUrl("server", (("h", 6379),), tls={})),
        (
            "valkeys://h?ssl_ca_certs=/etc/ca.pem&ssl_check_hostname=false&ssl_cert_reqs=none",
            StoreUrl(
                "server",
                (("h", 6379),),
                tls={"ssl_ca_certs": "/etc/ca.pem", "ssl_check_hostname": False, "ssl_cert_reqs": "none"},
            ),
        ),
        ("redis+sentinel://s1,s2:1234,[::1]/main/1", StoreUrl("sentinel", THREE, name="main", database=1)),
        ("redis+sentinel://s1", StoreUrl("sentinel", (("s1", 26379),), name="mymaster")),
        (
            "valkeys+sentinel://me:p%40ss@s1/main?sentinel_username=you&sentinel_password=x%2Fy",
            StoreUrl(
                "sentinel",
                (("s1", 26379),),
                name="main",
                tls={},
                user=AUTH,
                sentinel_user={"username": "you", "password": "x/y"},
            ),
        ),
        ("redis+cluster://h1,h2:1", StoreUrl("cluster", (("h1", 6379), ("h2", 1)))),
        ("rediss+cluster://h1/0", StoreUrl("cluster", (("h1", 6379),), tls={})),
        ("valkey+cluster://h1", StoreUrl("cluster", (("h1", 6379),))),
        ("unix:///run/redis.sock?db=1", StoreUrl("unix", path="/run/redis.sock", database=1)),
        ("unix://me:p%40ss@/run/r.sock", StoreUrl("unix", path="/run/r.sock", user=AUTH)),
    ],
)
def test_what_it_means(text: str, meant: StoreUrl) -> None:
    assert store_url(text) == meant


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("memcached://x", "must begin with redis://"),
        ("x", "must begin with redis://"),
        ("redis+other://x", "must begin with redis://"),
        ("redis+://x", "must begin with redis://"),
        ("unix+cluster://x", "must begin with redis://"),
        ("redis://", "its host is not"),
        ("redis:///0", "its host is not"),
        ("redis://h:0", "its host is not"),
        ("redis://h:99999", "its host is not"),
        ("redis://h1,h2", "several hosts"),
        ("redis+sentinel://s1,,s2/main", "its 2. host is not"),
        ("redis+sentinel://s1/ma in", "blanks"),
        ("redis+sentinel://s1/m%20n", "not the name that the sentinels know"),
        ("redis+sentinel://s1/main/one", "database is not a number"),
        ("redis+cluster://h/3", "a cluster has none but 0"),
        ("redis+cluster://h?db=3", "a cluster has none but 0"),
        ("redis+cluster://" + ",".join(["h"] * 65), "more than 64 hosts"),
        ("redis://h/one", "database is not a number"),
        ("redis://h/-1", "database is not a number"),
        ("redis://h?ssl_cert_reqs=none", "rediss or valkeys"),
        ("rediss://h?ssl_cert_reqs=maybe", "none of none, optional, required"),
        ("redis://h?sentinel_password=s3cret", "is not redis+sentinel://"),
        ("redis://h?socket_timeout=s3cret", "an option behind the ?"),
        ("redis://me:s3cret#x@h", "%23"),
        ("redis://me:s3cret/x@h", "its host is not"),
        ("redis://me:s3cret?x@h", "its host is not|an option"),
        ("redis://me:s3cret[x@h:port", "its host is not"),
        ("unix://run/s3cret", "must name a socket"),
        ("unix:///r.sock?ssl_cert_reqs=none", "no option but db"),
    ],
)
def test_what_is_wrong_is_said_without_the_secret(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong.replace("?", r"\?").replace("+", r"\+")) as error:
        store_url(text)
    assert "s3cret" not in str(error.value)


def test_it_shows_no_secret() -> None:
    shown = repr(store_url("redis+sentinel://me:s3cret@s1/main?sentinel_password=s4cret"))
    assert "s3cret" not in shown
    assert "s4cret" not in shown


@given(st.text(max_size=60), st.sampled_from(["redis", "rediss", "valkey+sentinel", "redis+cluster", "unix"]))
def test_nothing_else_is_raised(rest: str, scheme: str) -> None:
    try:
        found = store_url(f"{scheme}://{rest}")
    except ValueError:
        return
    assert found.path or found.hosts
