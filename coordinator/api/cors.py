"""Pages of other sites that read this coordinator, where the operator lets them (COORDINATOR_CORS_ORIGINS).

Nothing is shared by cookies, so no credentials are allowed: a page shows a token in a field, if it has one. What is
said from a page is never taken for a program of this machine (`calls.FROM_ELSEWHERE`).
"""

from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from coordinator.api.state import STATE

METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
FIELDS: Final = "Content-Type, Authorization, X-API-Key, api-key, If-Match, If-None-Match, Last-Event-ID, X-Request-ID"
SEEN: Final = "ETag, Retry-After, X-Request-ID"
MAX_AGE: Final = "86400"


@web.middleware
async def preflights(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answered before a handler is asked, since a page shows nothing with them that a handler could check."""
    if request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers and _to(request):
        headers = {
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: METHODS,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: FIELDS,
            hdrs.ACCESS_CONTROL_MAX_AGE: MAX_AGE,
        }
        return web.Response(status=204, headers=headers)
    return await handler(request)


async def let_read(request: web.Request, response: web.StreamResponse) -> None:
    """On every answer, as its head is made: streams too."""
    if not request.app[STATE].cors_origins:
        return
    response.headers.add(hdrs.VARY, hdrs.ORIGIN)
    if (to := _to(request)) is not None:
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = to
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = SEEN


def _to(request: web.Request) -> str | None:
    allowed, origin = request.app[STATE].cors_origins, request.headers.get(hdrs.ORIGIN)
    if origin is None or not ("*" in allowed or origin in allowed):
        return None
    return "*" if "*" in allowed else origin
