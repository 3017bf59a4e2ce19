"""Which coordinator is ours: whom to trust, who is near, where to go when it dies. For agents and edges."""
