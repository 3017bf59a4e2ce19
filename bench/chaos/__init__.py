"""Faults really made, on real processes, before edgeproxy, nginx and HAProxy alike: `python -m bench.chaos`."""
