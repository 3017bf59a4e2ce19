"""`python -m coordinator.demo`, which is `make run`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the logs of all programs here.")] = False,
) -> None:
    """Start the demo fleet on this machine; Ctrl-C ends it.

    EDGEPROXY_PORT, DEMO_BALANCER_PORT, COORDINATOR_PORT: 8787, 8090, 8080; admin listeners 1000 above.

    DEMO_TOKEN_DELAY: seconds for each token of the language model (0.02).

    DEMO_DIRECTORY: where logs and the sample letter go (.demo).
    """
    import asyncio

    from rich.console import Console

    from coordinator.demo.launcher import launch
    from coordinator.demo.settings import DemoSettings
    from edgeproxy.runtime.environment import load, run_or_exit

    def main() -> int:
        settings = load(DemoSettings, prefix="DEMO_", flags={})
        return asyncio.run(launch(settings, Console(), verbose))

    run_or_exit(main)


if __name__ == "__main__":
    app()
