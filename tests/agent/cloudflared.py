#!/usr/bin/env python3
"""Stands in for `cloudflared` where Cloudflare cannot be reached: takes its arguments, prints what it prints, and
says on standard error that it is a stand-in. It does not carry a byte through Cloudflare: the URL that it prints is a
trycloudflare.com name as a quick tunnel gets, which the tests resolve to the target by themselves.

With STANDIN_FAILS it ends as the program does where api.trycloudflare.com is blocked.
"""

import os
import secrets
import signal
import sys
import time

BOX = "+--------------------------------------------------------------------------------------------+"


def say(text: str) -> None:
    print(f"2026-01-02T03:04:05Z INF {text}", file=sys.stderr, flush=True)


def main() -> int:
    arguments = sys.argv[1:]
    assert arguments[0] == "tunnel", arguments
    target = arguments[arguments.index("--url") + 1]
    say("THIS IS A STAND-IN for cloudflared: nothing reaches Cloudflare")
    if os.environ.get("STANDIN_FAILS"):
        say("Requesting new quick Tunnel on trycloudflare.com...")
        message = 'failed to request quick Tunnel: Post "https://api.trycloudflare.com/tunnel": dial tcp: i/o timeout'
        print(message, file=sys.stderr, flush=True)
        return 1
    if "run" in arguments:
        assert os.environ["TUNNEL_TOKEN"], "no token"
        say("Starting tunnel tunnelID=6f9d0d3e-0000-4000-8000-000000000000")
    else:
        name = "-".join(secrets.choice(["calm", "brave", "river", "stone", "cloud", "maple"]) for _ in range(4))
        say("Thank you for trying Cloudflare Tunnel. Doing so, without a Cloudflare account, is a quick way to...")
        say("Requesting new quick Tunnel on trycloudflare.com...")
        say(BOX)
        say("|  Your quick Tunnel has been created! Visit it at (it may take some time to be reachable):  |")
        say(f"|  https://{name}-{secrets.token_hex(2)}.trycloudflare.com".ljust(len(BOX) - 1) + "|")
        say(BOX)
    say(f"Settings: map[ha-connections:1 protocol:quic url:{target}]")
    say("Registered tunnel connection connIndex=0 connection=1b5d1bd7-0000-4000-8000-000000000000 protocol=quic")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    sys.exit(main())
