"""What the guard costs, and what an attack costs us: `python -m bench.guard`."""
