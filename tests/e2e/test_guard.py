"""The guard against attacks that are really made, on running processes."""

from __future__ import annotations

import hashlib
import json
import socket
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.guarded import Start, eventually, get, metric, raw
from tests.e2e.processes import Backend, Proxy

KEY = "k-4f1d9a7be2c84f55"


# Keys.


def test_without_a_key_nobody_passes_and_the_key_never_reaches_a_worker(edge: Start) -> None:
    served = edge(EDGEPROXY_API_KEYS=f"other-key,{KEY}")
    for fields in ({}, {"X_API_Key": "wrong"}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {KEY}"}):
        refused = get(served, **fields)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == 'Bearer realm="edgeproxy"'
        assert "wrong" not in refused.text
        assert refused.json()["type"] == "urn:edgeproxy:problem:unauthenticated"
    for fields in ({"X_API_Key": KEY}, {"Authorization": f"Bearer {KEY}"}, {"Authorization": f"bearer {KEY}"}):
        answer = get(served, **fields)
        assert answer.status_code == 200
        assert KEY not in answer.text, "the worker has seen the key"


def test_without_keys_the_applications_own_bearer_token_passes(edge: Start) -> None:
    assert get(edge(), Authorization="Bearer of-the-application").json()["headers"]["Authorization"]


def policy_file(path: Path, **keys: str) -> Path:
    lines = [
        f'[keys.{name}]\nsha256 = "{hashlib.sha256(name.encode()).hexdigest()}"\n{rest}' for name, rest in keys.items()
    ]
    path.write_text("\n".join(lines))
    return path


def test_named_keys_have_scopes_and_an_end_and_change_without_a_restart(edge: Start, tmp_path: Path) -> None:
    path = policy_file(
        tmp_path / "policy.toml",
        alice="",
        late="expires = 2020-01-01T00:00:00Z",
        narrow='services = ["llm-inference"]',
    )
    served = edge(EDGEPROXY_POLICY=str(path), EDGEPROXY_ACCESS_LOG="json")
    assert get(served, X_API_Key="alice").status_code == 200
    late, narrow = get(served, X_API_Key="late"), get(served, X_API_Key="narrow")
    assert (late.status_code, late.json()["type"]) == (403, "urn:edgeproxy:problem:key_expired")
    assert (narrow.status_code, narrow.json()["type"]) == (403, "urn:edgeproxy:problem:out_of_scope")
    policy_file(path, bob="")
    eventually(lambda: get(served, X_API_Key="bob").status_code == 200)
    eventually(lambda: get(served, X_API_Key="alice").status_code == 401)
    path.write_text("[keys.bob]\nsha256 = 5")
    eventually(lambda: "the last good one stays" in served.output())
    assert get(served, X_API_Key="bob").status_code == 200
    eventually(lambda: '"enduser.id":"bob"' in served.output())
    eventually(lambda: metric(served, 'edgeproxy_caller_requests_total{caller="bob"}') >= 2)


# Limits.


def test_a_flood_is_admitted_by_the_limit_exactly_over_all_processes(edge: Start) -> None:
    served = edge(EDGEPROXY_RATE_LIMIT="5/minute;burst=40", EDGEPROXY_PROCESSES="2")

    def one(_: int) -> int:
        return get(served).status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = Counter(pool.map(one, range(200)))
    assert statuses[200] in range(40, 43)  # a burst, and what a few seconds more bring
    assert statuses[429] == 200 - statuses[200]
    refused = get(served)
    assert int(refused.headers["retry-after"]) in range(1, 13)
    assert refused.json()["type"] == "urn:edgeproxy:problem:rate_limited"
    assert httpx.get(f"{served.admin_url}/healthz").status_code == 200


def test_each_key_has_its_own_limit_whatever_its_address(edge: Start) -> None:
    served = edge(EDGEPROXY_RATE_LIMIT="1/minute;burst=3", EDGEPROXY_API_KEYS="key-of-one,key-of-two")
    ones = [get(served, X_API_Key="key-of-one").status_code for _ in range(5)]
    assert ones == [200, 200, 200, 429, 429]
    assert get(served, X_API_Key="key-of-two").status_code == 200


def test_guessing_keys_is_limited_by_address(edge: Start) -> None:
    served = edge(EDGEPROXY_RATE_LIMIT="1/minute;burst=5", EDGEPROXY_API_KEYS=KEY)
    statuses = [get(served, X_API_Key=f"guess-{number}").status_code for number in range(10)]
    assert statuses == [401] * 5 + [429] * 5
    assert get(served, X_API_Key=KEY).status_code == 200, "the owner of a key is not the address"


def test_the_limit_fields_say_what_is_left(edge: Start) -> None:
    served = edge(EDGEPROXY_RATE_LIMIT="10/minute;burst=3", EDGEPROXY_RATE_LIMIT_FIELDS="true")
    answers = [get(served) for _ in range(4)]
    assert [answer.headers["ratelimit"].partition(";t=")[0] for answer in answers] == [
        '"general";r=2',
        '"general";r=1',
        '"general";r=0',
        '"general";r=0',
    ]
    assert answers[0].headers["ratelimit-policy"] == '"general";q=3;w=18'


def test_a_service_has_a_limit_for_all_and_a_bound_on_bodies(edge: Start, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[services.upstreams]\ntotal_rate_limit = "1/minute;burst=4"\nmax_body = "10B"\n')
    served = edge(EDGEPROXY_POLICY=str(path), EDGEPROXY_TRUSTED_PROXIES="127.0.0.1")
    assert httpx.post(f"{served.url}/echo", content=b"x" * 11).status_code == 413
    statuses = [get(served, X_Forwarded_For=f"198.51.100.{number}").status_code for number in range(6)]
    assert statuses == [200] * 4 + [429] * 2


# Addresses.


def test_a_forged_address_is_not_believed(edge: Start) -> None:
    served = edge(EDGEPROXY_RATE_LIMIT="1/minute;burst=3", EDGEPROXY_ACCESS_LOG="json")
    forged = [
        get(served, X_Forwarded_For=f"203.0.113.{number}", CF_Connecting_IP="203.0.113.9", Forwarded="for=203.0.113.8")
        for number in range(5)
    ]
    assert [answer.status_code for answer in forged] == [200, 200, 200, 429, 429]
    seen = forged[0].json()["headers"]
    assert seen["X-Forwarded-For"] == "127.0.0.1"
    assert "Cf-Connecting-Ip" not in seen
    assert "CF-Connecting-IP" not in seen
    assert "203.0.113" not in json.dumps(seen)


def test_a_trusted_proxys_clients_are_told_apart_by_the_hop_it_vouches_for(edge: Start) -> None:
    served = edge(EDGEPROXY_RATE_LIMIT="1/minute;burst=2", EDGEPROXY_TRUSTED_PROXIES="127.0.0.0/8,10.0.0.0/8")
    # whatever a client writes on the left changes nothing: the hop that the first trusted proxy saw counts
    statuses = [
        get(served, X_Forwarded_For=f"192.0.2.{number}, 203.0.113.7, 10.0.0.1").status_code for number in range(4)
    ]
    assert statuses == [200, 200, 429, 429]
    assert get(served, X_Forwarded_For="203.0.113.8, 10.0.0.1").status_code == 200
    assert [get(served, CF_Connecting_IP="2001:db8:1:2::1").status_code for _ in range(2)] == [200, 200]
    assert get(served, CF_Connecting_IP="2001:db8:1:2:ffff::2").status_code == 429, "a /64 is one client"
    assert get(served, Forwarded='for="[2001:db8:1:3::1]:443";proto=https').status_code == 200


PROXY_V2 = b"\r\n\r\n\x00\r\nQUIT\n"


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 203.0.113.77 192.0.2.1 1234 80\r\n",
        PROXY_V2 + b"\x21\x11\x00\x0c" + bytes([203, 0, 113, 77, 192, 0, 2, 1]) + b"\x04\xd2\x00\x50",
    ],
)
def test_a_proxy_header_is_believed_from_trusted_peers_only(edge: Start, header: bytes) -> None:
    request = b"GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    trusting = edge(EDGEPROXY_TRUSTED_PROXIES="127.0.0.1")
    answer = raw(trusting, header + request)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"X-Forwarded-For": "203.0.113.77"' in answer
    wary = edge()
    assert raw(wary, header + request).startswith(b"HTTP/1.1 400")


# CORS.


def test_a_preflight_is_answered_at_the_edge_and_only_for_the_pages_that_may(edge: Start) -> None:
    served = edge(EDGEPROXY_CORS_ORIGINS="https://app.example.org", EDGEPROXY_API_KEYS=KEY)
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}
    allowed = httpx.options(f"{served.url}/who", headers={"Origin": "https://app.example.org", **asking})
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == "https://app.example.org"
    assert allowed.headers["access-control-allow-headers"] == "authorization, content-type"
    assert "POST" in allowed.headers["access-control-allow-methods"]
    assert "Origin" in allowed.headers["vary"]
    other = httpx.options(f"{served.url}/who", headers={"Origin": "https://evil.example", **asking})
    assert "access-control-allow-origin" not in other.headers
    refused = get(served, Origin="https://app.example.org")
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://app.example.org", "a page may read why"
    answer = get(served, Origin="https://app.example.org", X_API_Key=KEY)
    assert answer.headers["access-control-allow-origin"] == "https://app.example.org"
    assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
    assert answer.headers["vary"] == "Origin"
    assert get(served, X_API_Key=KEY).headers["vary"] == "Origin"


# Abuse.


def test_who_breaks_the_rules_too_often_is_left_outside_in_all_processes(edge: Start) -> None:
    served = edge(EDGEPROXY_BAN="1/minute;burst=5", EDGEPROXY_ALLOW="192.0.2.1")
    for _ in range(6):
        assert raw(served, b"NONSENSE\r\n\r\n").startswith(b"HTTP/1.1 400")
    for _ in range(8):  # whichever process takes it
        assert raw(served, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") == b""
    assert httpx.get(f"{served.admin_url}/healthz").status_code == 200


def test_a_ban_holds_for_the_client_behind_a_trusted_proxy_alone(edge: Start) -> None:
    served = edge(
        EDGEPROXY_BAN="1/minute;burst=3",
        EDGEPROXY_API_KEYS=KEY,
        EDGEPROXY_TRUSTED_PROXIES="127.0.0.1",
        EDGEPROXY_ALLOW="",
    )
    guesses = [get(served, X_Forwarded_For="203.0.113.5", X_API_Key="guess").status_code for _ in range(6)]
    assert guesses == [401] * 4 + [403] * 2
    assert get(served, X_Forwarded_For="203.0.113.5", X_API_Key=KEY).status_code == 403
    assert get(served, X_Forwarded_For="203.0.113.6", X_API_Key=KEY).status_code == 200


def test_denied_networks_are_not_served(edge: Start) -> None:
    served = edge(EDGEPROXY_DENY="203.0.113.0/24", EDGEPROXY_TRUSTED_PROXIES="127.0.0.1")
    assert get(served, X_Forwarded_For="203.0.113.5").status_code == 403
    assert get(served, X_Forwarded_For="198.51.100.5").status_code == 200
    shut = edge(EDGEPROXY_DENY="127.0.0.0/8")
    assert raw(shut, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == b""


def test_one_address_cannot_take_all_connections(edge: Start) -> None:
    served = edge(EDGEPROXY_MAX_CONNECTIONS_PER_ADDRESS="8", EDGEPROXY_ALLOW="192.0.2.1", EDGEPROXY_PROCESSES="1")
    held = [sock for _ in range(20) if (sock := _connected(served)) is not None]
    try:
        assert sum(_is_open(sock) for sock in held) == 8
    finally:
        for sock in held:
            sock.close()
    eventually(lambda: _answers(served))
    eventually(lambda: metric(served, 'edgeproxy_faults_total{fault="connection_refused"}') == 12)


def _connected(served: Proxy) -> socket.socket | None:
    """None where the reset came before the connection was known to be there."""
    try:
        return socket.create_connection(("127.0.0.1", served.port), timeout=5)
    except ConnectionError:
        return None


def _is_open(sock: socket.socket) -> bool:
    try:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        return sock.recv(12) == b"HTTP/1.1 200"
    except ConnectionError:
        return False


def _answers(served: Proxy) -> bool:
    try:
        return get(served, "/health").status_code == 200
    except httpx.HTTPError:
        return False


def test_a_full_house_leaves_newcomers_in_the_queue_and_lets_them_in_later(edge: Start) -> None:
    served = edge(EDGEPROXY_MAX_CONNECTIONS="16", EDGEPROXY_PROCESSES="1")
    inside = [socket.create_connection(("127.0.0.1", served.port), timeout=5) for _ in range(16)]
    for sock in inside:
        assert _is_open(sock)
        sock.settimeout(10)
        while len(sock.recv(65536)) == 65536:
            pass
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as waiting:
        waiting.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        waiting.settimeout(0.7)
        with pytest.raises(TimeoutError):
            waiting.recv(1)
        for sock in inside:
            sock.close()
        waiting.settimeout(10)
        assert waiting.recv(12) == b"HTTP/1.1 200"


# Hosts, loops, fields.


def test_only_the_named_hosts_are_served(edge: Start) -> None:
    served = edge(EDGEPROXY_HOSTS="edge.example.org,127.0.0.1")
    assert get(served).status_code == 200
    assert get(served, Host="Edge.example.org:8787").status_code == 200
    assert get(served, Host="evil.example").status_code == 421


def test_a_request_that_comes_back_ends_at_once(proxy: Callable[..., Proxy], started: list[Any]) -> None:
    """An edge whose only upstream is itself."""
    from tests.e2e.processes import free_port

    port = free_port()
    looping = proxy("serve", EDGEPROXY_UPSTREAMS=f"http://127.0.0.1:{port}", EDGEPROXY_PORT=str(port))
    answer = httpx.get(f"http://127.0.0.1:{port}/x")
    assert answer.status_code == 508
    assert answer.json()["type"] == "urn:edgeproxy:problem:loop_detected"
    assert looping.popen.poll() is None


def test_a_request_that_has_lost_all_but_via_is_known_again_and_a_second_edge_is_no_loop(
    backend: Callable[..., Backend], proxy: Callable[..., Proxy]
) -> None:
    """An edge behind an edge, as a balancer before an agent's gateway: three names in Via, none twice."""
    inner = proxy("serve", EDGEPROXY_UPSTREAMS=backend().url)
    outer = proxy("serve", EDGEPROXY_UPSTREAMS=inner.url)
    answer = httpx.get(f"{outer.url}/who", headers={"Via": "1.1 cdn.example"})
    assert answer.status_code == 200
    via = answer.json()["headers"]
    seen = [name for key, name in via.items() if key.lower() == "via"]
    assert seen[0].startswith("1.1 cdn.example") or len(seen) == 1
    ours = get(inner).json()["headers"]["Via"]
    assert ours.startswith("1.1 edgeproxy-")
    again = get(inner, Via=ours)
    assert (again.status_code, again.json()["type"]) == (508, "urn:edgeproxy:problem:loop_detected")
    assert get(outer, Via="1.1 edgeproxy, 1.0 edgeproxy-0123456789abcdef").status_code == 200


def test_a_question_about_the_edge_itself_is_no_way_past_the_guard(edge: Start) -> None:
    """`OPTIONS *` needs no key, and is limited, denied and banned like all others."""
    served = edge(
        EDGEPROXY_API_KEYS=KEY,
        EDGEPROXY_RATE_LIMIT="1/hour;burst=3",
        EDGEPROXY_HOSTS="a",
        EDGEPROXY_TRUSTED_PROXIES="127.0.0.1",
        EDGEPROXY_DENY="203.0.113.0/24",
        EDGEPROXY_PROCESSES="1",
    )

    def asked(host: bytes = b"a", client: bytes = b"192.0.2.7") -> bytes:
        fields = b"Host: %b\r\nX-Forwarded-For: %b\r\nConnection: close\r\n\r\n" % (host, client)
        return raw(served, b"OPTIONS * HTTP/1.1\r\n" + fields)

    assert b"\r\nAllow: GET, " in asked()
    assert [asked()[9:12] for _ in range(4)] == [b"204", b"204", b"429", b"429"]
    assert asked(b"evil.example", b"192.0.2.8")[9:12] == b"421"
    assert asked(b"a", b"203.0.113.5")[9:12] == b"403"


def test_security_fields(edge: Start) -> None:
    assert get(edge(EDGEPROXY_SECURITY_FIELDS="true")).headers["x-content-type-options"] == "nosniff"


def test_no_secret_is_shown_anywhere(edge: Start, tmp_path: Path) -> None:
    served = edge(
        EDGEPROXY_API_KEYS=KEY,
        EDGEPROXY_ACCESS_LOG="json",
        API_KEY="join-secret-7781",
        SHARED_STORE_URL="redis://:store-pass-99@127.0.0.1:1/0",
    )
    get(served, X_API_Key=KEY)
    get(served, "/who?key=" + KEY, Authorization=f"Bearer {KEY}x")
    eventually(lambda: served.output().count("http.route") >= 2)
    titles = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if _ours(path, served.pid)]
    shown = served.output() + httpx.get(f"{served.admin_url}/metrics").text + repr(titles)
    shown += httpx.get(f"{served.admin_url}/table").text
    for secret in (KEY, "join-secret-7781", "store-pass-99"):
        assert secret not in shown


def _ours(path: Path, pid: int) -> bool:
    try:
        return f"PPid:\t{pid}\n" in path.with_name("status").read_text() or path.parent.name == str(pid)
    except OSError:
        return False
