"""Several coordinators, each its own master: records with one writer, exchanged and merged. docs/federation.md."""
