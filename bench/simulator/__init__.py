"""A discrete-event simulator that runs the strategies and the passive health that are shipped.

Time is a number, chance is seeded. It is checked against Erlang's C formula (`erlang.py`) before anything is claimed
from it: `python -m bench.simulator`.
"""
