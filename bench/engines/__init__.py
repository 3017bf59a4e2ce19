"""Engines that others keep such a registry in, beside ours: what it costs to say "I live" once.

`python -m bench.engines`.

Each does what it is asked where it is cheapest: one server, 64 connections, each with one question on its way. They
keep 200 bytes: Redis and NATS in memory, for 15 s, etcd in its log on the disk; it is asked by its JSON gateway, which
costs it more than gRPC would. Ours also checks a MAC and a rising number, parses JSON, and decides what the worker is
to run; the engines know nothing of what they keep.
"""
