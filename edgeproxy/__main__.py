"""`python -m edgeproxy`."""

from edgeproxy.cli import main

main()
