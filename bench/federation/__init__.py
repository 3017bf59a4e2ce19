"""The federation under a virtual clock, and its numbers."""
