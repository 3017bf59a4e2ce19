"""The coordinator's HTTP interface, on aiohttp: the seed's routes and shapes, for agents, edges and
dashboards."""
