"""Where the worker list comes from, and which of its endpoints are alive. Runs once per host."""
