"""nginx: one worker under its master."""

from __future__ import annotations

import os

from bench.peers.base import API_KEY, NO_LIMIT, Packaged, Site

LARGE_BUFFERS = (
    "proxy_buffer_size 16k; proxy_buffers 8 128k; proxy_busy_buffers_size 256k; client_body_buffer_size 128k;"
)

# The fields of edgeproxy's own lines, and like them written in batches.
JSON_LOG = """log_format json escape=json '{"time":"$time_iso8601","http.request.method":"$request_method",'
        '"url.path":"$uri","http.response.status_code":$status,"duration_s":$request_time,'
        '"request_bytes":$content_length,"response_bytes":$body_bytes_sent,"worker":"$upstream_addr",'
        '"request_id":"$request_id","client.address":"$remote_addr"}';
    access_log /dev/stdout json buffer=64k flush=1s;"""

LIMIT_ZONE = f"limit_req_zone $http_authorization zone=keys:1m rate={NO_LIMIT}r/s;"
KEY_MAP = f'map $http_authorization $known {{ default 0; "Bearer {API_KEY}" 1; }}'
LIMIT = f"limit_req zone=keys burst={NO_LIMIT} nodelay;"
CHECK = "if ($known = 0) { return 401; }"

CACHE_PATH = "proxy_cache_path %s/nginx-cache keys_zone=answers:1m max_size=64m use_temp_path=off;"

UPSTREAM = """upstream %s {
        %s
        keepalive 256;
        keepalive_requests 1000000000;
        keepalive_timeout 75s;
    }"""
LOCATION = "location %s { proxy_pass http://%s; %s }"

# Each service its own connections, as ours has them; a POST to the language model may be sent twice.
SERVICES = {"ner": "", "notes": "", "llm": "proxy_next_upstream error timeout non_idempotent;"}


class Nginx(Packaged):
    """With `large_buffers`, 128 KiB and more a connection make large bodies cheap."""

    program = "nginx"
    template = "nginx.conf"
    arguments = ("-e", "stderr", "-c")

    def __init__(self, large_buffers: bool = False) -> None:
        self.name = "nginx-128k" if large_buffers else "nginx"
        self._buffers = LARGE_BUFFERS if large_buffers else ""

    def fields(self, site: Site) -> dict[str, str]:
        certificate = site.certificate
        guarded = site.setup.guarded
        return _routing(site) | {
            # Started by root, the worker would drop to a user who may not enter the run's directory.
            "user": "user root;" if os.geteuid() == 0 else "",
            "buffers": self._buffers,
            "access_log": JSON_LOG if guarded else "access_log off;",
            "limits": f"{LIMIT_ZONE}\n    {KEY_MAP}" if guarded else "",
            "checks": f"{LIMIT}\n        {CHECK}" if guarded else "",
            "cache_path": CACHE_PATH % site.directory if site.setup.cache else "",
            "cache": "proxy_cache answers; proxy_cache_lock on;" if site.setup.cache else "",
            "listen": " ssl" if certificate else "",
            "tls": f"ssl_certificate {certificate.chain}; ssl_certificate_key {certificate.key};"
            "ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:tls:1m;"
            if certificate
            else "",
            "streaming": "proxy_buffering off;" if site.setup.streaming else "",
        }


def _routing(site: Site) -> dict[str, str]:
    services = SERVICES if site.setup.fleet else {}
    servers = "\n        ".join(f"server {host}:{site.upstream_port};" for host in site.setup.hosts)
    locations = [LOCATION % ("/", "backend", "")]
    locations += [LOCATION % (f"/service/{name}/", name, extra) for name, extra in services.items()]
    return {
        "upstreams": "\n    ".join(UPSTREAM % (name, servers) for name in ("backend", *services)),
        "locations": "\n        ".join(locations),
    }
