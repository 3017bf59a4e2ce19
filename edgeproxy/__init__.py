"""Edge proxy and load balancer for machines that volunteers lend."""

__version__ = "0.1.0"
