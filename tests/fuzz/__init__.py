"""Inputs that nobody would write: `python -m tests.fuzz --seconds 60 --seed 1`."""
