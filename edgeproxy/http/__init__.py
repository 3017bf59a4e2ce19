"""The protocol without a loop: heads, framing, fields and error bodies as plain functions over bytes.

Received framing is never forwarded: a message is parsed strictly into a typed head, and written anew from it.
"""
