"""GET /openapi.json: OpenAPI 3.1, made once from the routes themselves, so that none is missing."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import hdrs, web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from coordinator.api.describe import ATTRIBUTE, Described, Shape, described
from edgeproxy import __version__

routes = web.RouteTableDef()
DOCUMENT: Final = web.AppKey("openapi", bytes)

_PLACE: Final = re.compile(r"\{([a-z_]+)\}")
_TEXT: Final = {"type": "string"}
_PROBLEM: Final = {
    "type": "object",
    "required": ["title", "status", "detail"],
    "properties": {"title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"}},
}
_WHO: Final[Mapping[str, list[dict[str, list[str]]]]] = {
    "nobody": [],
    "worker": [{"key": []}, {"bearer": []}, {"proof": []}],
    "operator": [{"key": []}, {"bearer": []}],
}


@routes.get("/openapi.json")
@described("This document", {"openapi": "string", "paths": "object"})
async def openapi(request: web.Request) -> web.Response:
    return web.Response(body=request.app[DOCUMENT], content_type="application/json")


def document(app: web.Application) -> bytes:
    """Of all the routes that are described; a route that is not is a defect that the tests find."""
    found = list(_described(app))
    models = {m for _, _, d in found for m in (d.body, d.answer) if isinstance(m, type)}
    _, schemas = models_json_schema(
        [(model, "validation") for model in sorted(models, key=lambda model: model.__name__)],
        ref_template="#/components/schemas/{model}",
    )
    paths: dict[str, dict[str, Any]] = {}
    for path, method, about in found:
        paths.setdefault(path, {})[method.lower()] = _operation(path, method, about)
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "coordinator", "version": __version__},
            "paths": paths,
            "components": {
                "schemas": {**schemas.get("$defs", {}), "Problem": _PROBLEM},
                "securitySchemes": {
                    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "proof": {"type": "apiKey", "in": "header", "name": "Worker-Proof"},
                },
            },
        }
    )


def undescribed(app: web.Application) -> list[str]:
    """Routes without a description."""
    return [f"{m} {p}" for p, m, h in _routes(app) if getattr(h, ATTRIBUTE, None) is None]


def _described(app: web.Application) -> Iterator[tuple[str, str, Described]]:
    for path, method, handler in _routes(app):
        if (about := getattr(handler, ATTRIBUTE, None)) is not None:
            yield path, method, about


def _routes(app: web.Application) -> Iterator[tuple[str, str, object]]:
    for route in app.router.routes():
        if route.method != hdrs.METH_HEAD and route.resource is not None:
            yield route.resource.canonical, route.method, route.handler


def _operation(path: str, method: str, about: Described) -> dict[str, Any]:
    name = re.sub(r"[^a-z0-9]+", "_", f"{method} {path}".lower()).strip("_")
    places = [_parameter(key, "path", about.places.get(key, _TEXT), True) for key in _PLACE.findall(path)]
    query = [_parameter(key, "query", schema, False) for key, schema in about.query.items()]
    problem = {"description": "A problem", "content": {"application/problem+json": {"schema": _ref("Problem")}}}
    good = {HTTPStatus.OK, HTTPStatus.CREATED} if about.creates else {HTTPStatus.OK}
    content = {about.content: {"schema": _schema(about.answer)}}
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": about.summary,
        "parameters": places + query,
        "responses": {
            **{str(status.value): {"description": status.phrase, "content": content} for status in sorted(good)},
            "default": problem,
        },
        "security": _WHO[about.who],
    }
    if about.body is not None:
        taken = {"application/json": {"schema": _ref(about.body.__name__)}}
        operation["requestBody"] = {"required": True, "content": taken}
    return operation


def _parameter(name: str, where: str, schema: Mapping[str, Any], required: bool) -> dict[str, Any]:
    return {"name": name, "in": where, "required": required, "schema": schema}


def _schema(shape: Shape) -> dict[str, Any]:
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        return _ref(shape.__name__)
    if isinstance(shape, Mapping):
        properties = {key: {"type": kind.split("|")} for key, kind in shape.items()}
        return {"type": "object", "required": list(shape), "properties": properties}
    return {"type": shape.split("|")}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
