"""`coordinator agent --explain`: every check and why, and what would be run and how it would be reached."""

import asyncio
from collections.abc import Iterator, Mapping

from coordinator.agent import probe
from coordinator.agent.descriptions import load_descriptions, runnable_here
from coordinator.agent.detect import Check, Facts, decide
from coordinator.agent.dialback import dial_back
from coordinator.agent.edges import Edges
from coordinator.agent.expose import reasons_against
from coordinator.agent.lending import Lending
from coordinator.agent.place import find_site
from coordinator.agent.settings import AgentSettings
from edgeproxy.cluster.client import CoordinatorClient, CoordinatorError
from edgeproxy.cluster.messages import DialBackAnswer
from edgeproxy.runtime.environment import reveal
from edgeproxy.runtime.sockets import Bind

TIMEOUT = 5.0  # seconds for any answer of the coordinator


def explain(settings: AgentSettings) -> int:
    """Prints it and changes nothing; 0, whatever was found. ConfigurationError."""
    descriptions = load_descriptions(settings.services_file, settings.services)
    facts, seen, edges, coordinator = asyncio.run(_ask(settings))
    verdict = decide(facts, settings.worker_type)
    chosen, reasons = runnable_here(descriptions, facts)
    lending = Lending(settings.hours)
    lines = [
        f"coordinator     {coordinator}",
        *_checks(verdict.checks),
        f"worker type     {verdict.worker_type}",
        "",
        "ways to this machine, the first that works is taken (AGENT_EXPOSE):",
        *_ways(settings, seen, edges),
        "",
        "services that can run here:",
        *(f"  yes  {name}" for name in sorted(chosen)),
        *(f"  no   {name}: {reason}" for name, reason in sorted(reasons.items())),
        "",
        "lent at this moment" if lending.lent else f"not lent: {lending.why}",
    ]
    print("\n".join(lines))
    return 0


async def _ask(settings: AgentSettings) -> tuple[Facts, DialBackAnswer, list[str], str]:
    """What the machine is, what the coordinator says of it, the edges it lists, and whether it answers at all."""
    async with CoordinatorClient(settings.coordinator_url, reveal(settings.api_key), timeout=TIMEOUT) as client:
        edges = Edges(client, settings.edges)
        try:
            latency = await probe.latency(client)
            site = await asyncio.to_thread(find_site, settings, client.url)
            seen = await dial_back(client, Bind(site.bind, settings.port or 0))
            await edges.refresh()
        except CoordinatorError as error:
            unseen = DialBackAnswer(reason="the coordinator does not answer")
            return await probe.machine(None, unseen), unseen, edges.urls, f"does not answer: {error.message}"
        return await probe.machine(latency, seen), seen, edges.urls, f"{client.url} answers"


def _checks(checks: tuple[Check, ...]) -> Iterator[str]:
    for check in checks:
        yield f"{check.name:<15} {'yes' if check.passed else 'no '} {check.reason}"


def _ways(settings: AgentSettings, seen: DialBackAnswer, edges: list[str]) -> Iterator[str]:
    if settings.tunnel and not settings.tunnel_token:
        yield f"  yes  given: TUNNEL_URL={settings.tunnel}"
    against: Mapping[str, str] = reasons_against(settings, seen, edges)
    for kind, reason in against.items():
        yield f"  no   {kind}: {reason}" if reason else f"  yes  {kind}"
