"""Users as locust files, each with its targets: `locust -f bench/users/chat.py`, or `python -m bench users`.

A closed loop: users wait for their answer before they ask again, as people do. What a fixed rate of requests meets
is `bench.open_loop`'s matter. `import locust` replaces the sockets of the process that does it, so it is only done in
one of its own, which `run` starts.
"""

SCENARIOS = ("chat", "uploads", "retrieval", "mixed", "machines")
REGIONS = ("us", "eu", "apac")
RESULT = "BENCH_USERS_RESULT"
"""Variable with the path of a JSON file to leave: targets as measured, and every request's percentiles."""
