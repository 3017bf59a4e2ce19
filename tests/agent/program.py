"""`coordinator agent` as a process, before there is a command line."""

from coordinator.agent.run import run
from coordinator.agent.settings import PREFIXES, AgentSettings
from edgeproxy.runtime.environment import load, run_or_exit
from edgeproxy.runtime.logs import configure_logs


def main() -> int:
    configure_logs()
    return run(load(AgentSettings, prefix=PREFIXES, flags={}))


run_or_exit(main)
