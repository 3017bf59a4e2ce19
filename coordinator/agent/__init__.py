"""The agent of a lent machine: finds out what it can do, registers, runs what it is told to, reports how that goes."""
