"""Stored answers: what is kept, for whom, and how much of it."""
