"""What a strict client makes of the bytes it got, by h11's understanding of RFC 9112."""

from __future__ import annotations

from dataclasses import dataclass, field

import h11


@dataclass
class Response:
    """One answer; `complete` is False where the client can tell that something is missing."""

    status: int
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    complete: bool = False

    def value(self, name: bytes) -> bytes | None:
        found = [value for each, value in self.fields if each.lower() == name.lower()]
        assert len(found) < 2, f"{name!r} twice"
        return found[0] if found else None


def read_responses(data: bytes, ended: bool, methods: list[bytes] | None = None) -> list[Response]:
    """The final answers in `data`, to requests of these methods (the last one repeats; GET where there are none).

    Raises h11.RemoteProtocolError for what is no HTTP, bytes behind a `Connection: close` answer included.
    """
    methods = list(methods or [b"GET"])
    responses: list[Response] = []
    while data:
        method = methods.pop(0) if len(methods) > 1 else methods[0]
        response, data = _read_one(data, ended, method)
        if response is None:
            break
        responses.append(response)
    return responses


def _read_one(data: bytes, ended: bool, method: bytes) -> tuple[Response | None, bytes]:
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(data)
    if ended:
        reader.receive_data(b"")
    response: Response | None = None
    while True:
        try:
            event = reader.next_event()
        except h11.RemoteProtocolError as error:
            if response is not None and ("peer closed" in str(error) or "peer unexpectedly closed" in str(error)):
                return response, b""
            raise
        if type(event) is h11.Response:
            response = Response(event.status_code, list(event.headers.raw_items()))
        elif type(event) is h11.Data:
            assert response is not None
            response.body += event.data
        elif type(event) is h11.EndOfMessage:
            assert response is not None
            response.complete = True
            return response, reader.trailing_data[0]
        elif type(event) is not h11.InformationalResponse:
            return response, b""
