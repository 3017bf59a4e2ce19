"""The way of a request: match, pick, forward, relay, observe. Read `exchange`, then `pipeline`, then `forward`.

Nothing here opens a connection: `forward` asks its `Dialer` for one.
"""
