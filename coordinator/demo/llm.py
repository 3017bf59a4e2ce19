"""llm-inference: OpenAI-compatible completions over the tiny model of `coordinator.demo.language`.

`python -m coordinator.demo.llm --host H --port P`. DEMO_TOKEN_DELAY is the time that a token takes, in
seconds. A reply stops being made as soon as its client has gone: the server cancels the handler, which
holds the generation.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from importlib.resources import files

from aiohttp import web

from coordinator.demo import openai_api as api
from coordinator.demo.generation import Generation
from coordinator.demo.language import LanguageModel, Sampling, tokenise
from coordinator.demo.service import Refusal, Slots, application, json_response, read_json, run

NAME = "llm-inference"
MODEL = "advice-ngram"
PORT = 8105
CONTEXT = 16_384  # tokens of prompt; a prompt costs the loop about 0.3 us a token
DEFAULT_MAX_TOKENS = 256
GENERATIONS = 256  # replies in the making at once
WRITE_TIMEOUT = 60.0  # seconds that a reader may stand still before its stream is given up

SSE_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}


class Inference:
    """The handlers, with the one trained model; `slots.used` replies are in the making."""

    def __init__(self, model: LanguageModel, token_delay: float) -> None:
        self._model, self._delay, self._started = model, token_delay, api.now()
        self.slots = Slots(GENERATIONS, "replies")

    async def models(self, request: web.Request) -> web.Response:
        return json_response(api.models(MODEL, self._started))

    async def chat(self, request: web.Request) -> web.StreamResponse:
        asked = await read_json(request, api.ChatRequest)
        prompts = [message.text for message in reversed(asked.messages)]
        return await self._answer(request, asked, prompts, start=[], chat=True)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        asked = await read_json(request, api.CompletionRequest)
        start = self._model.continuation(asked.prompt)
        return await self._answer(request, asked, [asked.prompt], start=start, chat=False)

    async def _answer(
        self, request: web.Request, asked: api.Sampled, prompts: list[str], *, start: list[str], chat: bool
    ) -> web.StreamResponse:
        generation = self._generation(asked, prompts, start)
        reply = api.Reply(MODEL, self._model.fingerprint, chat, asked.include_usage)
        with self.slots.hold():
            if asked.stream:
                return await self._stream(request, reply, generation)
            text = "".join([piece async for piece in self._paced(generation)])
        return json_response(reply.whole(text, generation.finish_reason, _counts(generation)))

    def _generation(self, asked: api.Sampled, prompts: list[str], start: list[str]) -> Generation:
        prompt_tokens = sum(len(tokenise(prompt)) for prompt in prompts)
        if prompt_tokens > CONTEXT:
            message = f"the prompt has {prompt_tokens} tokens, the model reads at most {CONTEXT}"
            raise Refusal(400, message, param="messages", code="context_length_exceeded")
        sampling = Sampling(
            temperature=1.0 if asked.temperature is None else asked.temperature,
            top_p=1.0 if asked.top_p is None else asked.top_p,
            seed=asked.seed,
        )
        source = self._model.generate(prompts, sampling, start)
        limit = asked.max_tokens or DEFAULT_MAX_TOKENS
        return Generation(source, limit, prompt_tokens, asked.stops, continues=bool(start))

    async def _paced(self, generation: Generation) -> AsyncIterator[str]:
        for piece in generation:
            await asyncio.sleep(self._delay)
            yield piece

    async def _stream(self, request: web.Request, reply: api.Reply, generation: Generation) -> web.StreamResponse:
        response = web.StreamResponse(headers=SSE_HEADERS)
        await response.prepare(request)
        if reply.chat:
            await _send(response, api.event(reply.first()))
        async for piece in self._paced(generation):
            if piece:
                await _send(response, api.event(reply.piece(piece)))
        await _send(response, api.event(reply.last(generation.finish_reason)))
        if reply.include_usage:
            await _send(response, api.event(reply.counted(_counts(generation))))
        await _send(response, api.SSE_DONE)
        await response.write_eof()
        return response


async def _send(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_TIMEOUT):
        await response.write(data)


def _counts(generation: Generation) -> dict[str, int]:
    return api.usage(generation.prompt_tokens, generation.completion_tokens)


INFERENCE = web.AppKey("inference", Inference)


def build(token_delay: float) -> web.Application:
    text = files("coordinator.demo").joinpath("corpus.txt").read_text(encoding="utf-8")
    inference = Inference(LanguageModel(text), token_delay)
    app = application(NAME)
    app.router.add_get("/v1/models", inference.models)
    app.router.add_post("/v1/chat/completions", inference.chat)
    app.router.add_post("/v1/completions", inference.complete)
    app[INFERENCE] = inference
    return app


def token_delay() -> float:
    """DEMO_TOKEN_DELAY in seconds; exit code 78 when it is none."""
    value = os.environ.get("DEMO_TOKEN_DELAY", "0.02")
    try:
        delay = float(value)
    except ValueError:
        delay = -1.0
    if not 0 <= delay <= 10:
        print(f"DEMO_TOKEN_DELAY: {value!r} is not a number of seconds from 0 to 10", file=sys.stderr)
        sys.exit(78)
    return delay


if __name__ == "__main__":
    delay = token_delay()
    run(lambda: build(delay), NAME, PORT)
