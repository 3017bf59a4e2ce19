"""A key-value engine under the coordinators of one site: Redis or Valkey. Never between sites: docs/federation.md."""
