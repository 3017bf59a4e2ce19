"""HAProxy: one process with one thread, no master."""

from __future__ import annotations

from bench.peers.base import API_KEY, NO_LIMIT, Packaged, Site

LARGE_BUFFERS = "tune.bufsize 131072"

GLOBAL_LOG = "log stdout format raw local0"
ACCESS = """log global
    log-format '{"time":"%Tl","http.request.method":"%HM","url.path":"%HPO","http.response.status_code":%ST,\
"duration_ms":%Ta,"request_bytes":%U,"response_bytes":%B,"worker":"%s","request_id":"%ID","client.address":"%ci"}'"""
LIMIT = f"""stick-table type string len 64 size 10k expire 1m store http_req_rate(1s)
    http-request track-sc0 hdr(authorization)
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {NO_LIMIT} }}"""
CHECK = f'http-request deny deny_status 401 unless {{ req.hdr(authorization) -m str "Bearer {API_KEY}" }}'

BACKEND = """backend %s
    %s
    %s
"""

# Each service its own connections, as ours has them. It repeats nothing by itself: this is what repeats a request
# whose connection closed, for the services where that is allowed.
SERVICES = {"ner": "retry-on conn-failure empty-response", "notes": "", "llm": "retry-on conn-failure empty-response"}


class HAProxy(Packaged):
    """With `large_buffers`, 128 KiB a buffer make large bodies cheap."""

    program = "haproxy"
    template = "haproxy.cfg"
    arguments = ("-db", "-f")

    def __init__(self, large_buffers: bool = False) -> None:
        self.name = "haproxy-128k" if large_buffers else "haproxy"
        self._buffers = LARGE_BUFFERS if large_buffers else ""

    def fields(self, site: Site) -> dict[str, str]:
        guarded = site.setup.guarded
        tls = f"ssl crt {site.certificate.both} alpn http/1.1" if site.certificate else ""
        return _routing(site) | {
            "buffers": self._buffers,
            "global_log": GLOBAL_LOG if guarded else "",
            "access_log": ACCESS if guarded else "",
            "guards": f"{LIMIT}\n    {CHECK}" if guarded else "",
            "bind": tls,
            "scheme": "https" if tls else "http",
            "streaming": "option http-no-delay\n    option abortonclose" if site.setup.streaming else "",
        }


def _routing(site: Site) -> dict[str, str]:
    services = SERVICES if site.setup.fleet else {}
    servers = "\n    ".join(f"server {host} {host}:{site.upstream_port}" for host in site.setup.hosts)
    return {
        "routes": "\n    ".join(f"use_backend {name} if {{ path_beg /service/{name}/ }}" for name in services),
        "backends": "\n".join(BACKEND % (name, servers, extra) for name, extra in {"workers": "", **services}.items()),
    }
