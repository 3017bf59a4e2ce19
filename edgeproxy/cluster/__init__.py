"""The wire contract between agents, coordinators and edges: messages, service names, and a client."""
