"""The registry's numbers: memory a worker, deaths seen, assignment, heartbeats, writes in a quiet hour."""
