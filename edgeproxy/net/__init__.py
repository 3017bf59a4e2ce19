"""Bytes and sockets: connections of clients and of workers as uvloop protocols, dialling, the idle pool.

The protocols are classes of their own without asyncio's as a base: uvloop asks only for the methods.
"""
