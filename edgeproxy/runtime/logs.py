"""Logs of the programs: JSON lines on stdout for machines, readable lines on a terminal.

LOG_LEVEL: debug, info (default), warning, error. LOG_FORMAT: json, console; default by what stdout is.
Records of the standard library's logging (aiohttp's, asyncio's) come out in the same form.
"""

import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from structlog.typing import Processor

from edgeproxy.runtime.environment import ConfigurationError

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("json", "console")


def get_logger(name: str) -> Any:
    """A logger with keyword fields: `log.info("child ended", pid=7)`."""
    return structlog.get_logger(name)


def configure_logs(environ: Mapping[str, str] = os.environ) -> None:
    """Once a process, before the first line; ConfigurationError for a wrong variable."""
    level = _choice(environ, "LOG_LEVEL", LEVELS, "info")
    form = _choice(environ, "LOG_FORMAT", FORMATS, "console" if sys.stdout.isatty() else "json")
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    _route_standard_logging(level, _renderers(form, environ), shared)


def _choice(environ: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = environ.get(name, "").lower() or default
    if value not in allowed:
        raise ConfigurationError(f"{name}={value}: must be one of {', '.join(allowed)}")
    return value


def _renderers(form: str, environ: Mapping[str, str]) -> list[Processor]:
    if form == "console":
        return [structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty() and not environ.get("NO_COLOR"))]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]


def _json(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()


def _route_standard_logging(level: str, renderers: list[Processor], shared: list[Processor]) -> None:
    handler = logging.StreamHandler(sys.stdout)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[remove, *renderers]))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
