"""rag-embeddings: OpenAI-compatible embeddings by feature hashing (`coordinator.demo.vectors`).

`python -m coordinator.demo.embeddings --host H --port P`.
"""

from __future__ import annotations

import asyncio
import base64
import struct
from typing import Any

from aiohttp import web

from coordinator.demo import openai_api as api
from coordinator.demo.service import Refusal, Slots, application, json_response, read_json, run
from coordinator.demo.vectors import DIMENSIONS, embed, words

NAME = "rag-embeddings"
MODEL = f"hashed-{DIMENSIONS}"
PORT = 8102
TOTAL_CHARACTERS = 256 * 1024  # of all texts of a request: about half a second of work
REQUESTS = 16  # worked at once, each in a thread
SLICE = 16  # texts between two looks at the clock and at whether the client is still there


class Embeddings:
    """The handlers; texts are embedded in a thread, so that /health answers meanwhile."""

    def __init__(self) -> None:
        self._started = api.now()
        self.slots = Slots(REQUESTS, "requests")

    async def models(self, request: web.Request) -> web.Response:
        return json_response(api.models(MODEL, self._started))

    async def embed(self, request: web.Request) -> web.Response:
        asked = await read_json(request, api.EmbeddingRequest)
        texts = asked.texts
        if (total := sum(map(len, texts))) > TOTAL_CHARACTERS:
            message = f"the texts have {total} characters, at most {TOTAL_CHARACTERS} are taken; send fewer"
            raise Refusal(400, message, param="input", code="too_large")
        with self.slots.hold():
            data = await self._embedded(texts, asked)
        tokens = sum(len(words(text)) for text in texts)
        counts = {"prompt_tokens": tokens, "total_tokens": tokens}
        return json_response({"object": "list", "data": data, "model": MODEL, "usage": counts})

    async def _embedded(self, texts: list[str], asked: api.EmbeddingRequest) -> list[dict[str, Any]]:
        data: list[dict[str, Any]] = []
        for begin in range(0, len(texts), SLICE):
            data += await asyncio.to_thread(_records, texts[begin : begin + SLICE], begin, asked)
        return data


def _records(texts: list[str], begin: int, asked: api.EmbeddingRequest) -> list[dict[str, Any]]:
    dimensions = asked.dimensions or DIMENSIONS
    return [
        {
            "object": "embedding",
            "index": index,
            "embedding": _encoded(embed(text, dimensions), asked.encoding_format),
        }
        for index, text in enumerate(texts, begin)
    ]


def _encoded(vector: list[float], encoding: str) -> list[float] | str:
    """Floats, or base64 of little-endian 32-bit floats, the openai client's choice."""
    if encoding == "float":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def build() -> web.Application:
    embeddings = Embeddings()
    app = application(NAME)
    app.router.add_get("/v1/models", embeddings.models)
    app.router.add_post("/v1/embeddings", embeddings.embed)
    return app


if __name__ == "__main__":
    run(build, NAME, PORT)
