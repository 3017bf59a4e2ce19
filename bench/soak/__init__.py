"""Chaos and soak: a real edge before real workers, under real faults, and what must hold throughout.

`python -m bench.soak chaos` (ten minutes: each fault by itself, then mixed by seed), `python -m bench.soak soak` (an
hour of mixed faults, memory plotted). Exit code 1 where an invariant is broken.

| module | job |
|---|---|
| `worker` | a worker that can be told to reset, stall, answer garbage or half an answer |
| `users` | clients that know what each answer must be, byte for byte, by its number |
| `world` | edge and workers as processes, started, killed, restarted |
| `worlds` | worlds set up for one kind of fault: TLS, a coordinator, a clock that jumps, a full disk |
| `faults` | what is done to them, and what is undone |
| `run` | phases: users ask, a fault comes and goes, users leave, the edge is looked at, at rest |
| `report` | the invariants, and the page with memory and descriptors over time |
"""
