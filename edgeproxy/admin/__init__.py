"""The second listener, for operators and probes: it answers even when the first one is busy or closed."""
