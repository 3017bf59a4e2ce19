"""How much of each kind a head or a chunked body may hold, whoever sends it."""

from __future__ import annotations


class Bounds:
    """`fields`: field lines of a request's head, an answer may have twice as many. `target`: bytes of a request's
    target. `extension`: bytes of the extensions of one chunk. `trailers`, `trailer_bytes`: of a trailer section."""

    __slots__ = ("extension", "fields", "target", "trailer_bytes", "trailers")

    def __init__(
        self,
        *,
        fields: int = 100,
        target: int = 8 * 1024,
        extension: int = 256,
        trailers: int = 16,
        trailer_bytes: int = 4 * 1024,
    ) -> None:
        self.fields = fields
        self.target = target
        self.extension = extension
        self.trailers = trailers
        self.trailer_bytes = trailer_bytes


USUAL = Bounds()
