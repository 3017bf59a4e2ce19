"""The process model that all programs share: settings, sockets, supervisor, children, services."""
