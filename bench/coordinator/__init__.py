"""The coordinator's numbers: registrations, heartbeats, the way of a change to an edge, forged messages."""
