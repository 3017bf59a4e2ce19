"""Users as locust files, each with its targets: `locust -f bench/users/chat.py`, or `python -m bench users`.

A closed loop: users wait for their answer before they ask again, as people do. What a fixed rate of requests meets
is `bench.open_loop`'s matter.
"""

SCENARIOS = ("chat", "uploads", "retrieval", "mixed", "machines")
