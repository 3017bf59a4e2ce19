"""The shared store (Redis or Valkey): what SHARED_STORE_URL may say, and a client for it. Coordinators keep their
registry there, coordinators and edges their limits."""
