"""The coordinator of the fleet, the agent of a lent machine, and the demo fleet."""
