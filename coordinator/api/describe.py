"""What a route does, beside the route: the OpenAPI document is read from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import BaseModel

Handler = TypeVar("Handler", bound=Callable[..., object])
Shape = Mapping[str, str] | str | type[BaseModel]
"""Of an answer: a message; {key: JSON type} of the keys that are always there; or one JSON type."""

ANYTHING: Final = "object|array|string|number|boolean|null"
ATTRIBUTE: Final = "__described__"


@dataclass(frozen=True, slots=True)
class Described:
    """`query` and `places` (of the path) name parameters with their JSON schemas. `who`: whose secret it wants:
    nobody's, a worker's, an operator's. `creates`: 201 where there was nothing before."""

    summary: str
    answer: Shape
    body: type[BaseModel] | None = None
    query: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    places: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    who: str = "nobody"
    content: str = "application/json"
    creates: bool = False


def described(summary: str, answer: Shape, **more: object) -> Callable[[Handler], Handler]:
    """Decorates a handler."""

    def mark(handler: Handler) -> Handler:
        setattr(handler, ATTRIBUTE, Described(summary, answer, **more))  # type: ignore[arg-type]
        return handler

    return mark
