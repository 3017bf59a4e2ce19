import asyncio

import orjson
import pytest
from aiohttp import ClientSession, web
from openai import AsyncOpenAI, BadRequestError

from coordinator.demo import llm
from coordinator.demo.openai_api import MAX_TOKENS

from .conftest import Start

ASK = {"messages": [{"role": "user", "content": "What about the rent?"}], "temperature": 0}


@pytest.fixture
def app() -> web.Application:
    return llm.build(token_delay=0)


async def events(session: ClientSession, url: str, body: dict[str, object]) -> list[bytes]:
    async with session.post(url, json=body) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        raw = await response.read()
    assert raw.endswith(b"\n\n")
    return raw[:-2].split(b"\n\n")


async def test_the_stream_is_framed_as_openai_frames_it(
    start: Start, session: ClientSession, app: web.Application
) -> None:
    url = await start(app)
    found = await events(session, f"{url}/v1/chat/completions", {**ASK, "stream": True, "max_tokens": 5})
    assert all(event.startswith(b"data: ") and b"\n" not in event for event in found)
    assert found[-1] == b"data: [DONE]"
    chunks = [orjson.loads(event.removeprefix(b"data: ")) for event in found[:-1]]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert all("usage" not in chunk for chunk in chunks)
    choices = [chunk["choices"][0] for chunk in chunks]
    assert choices[0]["delta"] == {"role": "assistant", "content": ""}
    assert len(choices) == 1 + 5 + 1
    assert choices[-1]["delta"] == {}
    assert [choice["finish_reason"] for choice in choices] == [None] * 6 + ["length"]


async def test_usage_comes_last_where_it_is_asked_for(
    start: Start, session: ClientSession, app: web.Application
) -> None:
    body = {**ASK, "stream": True, "max_tokens": 5, "stream_options": {"include_usage": True}}
    found = await events(session, await start(app) + "/v1/chat/completions", body)
    *chunks, last = [orjson.loads(event.removeprefix(b"data: ")) for event in found[:-1]]
    assert all(chunk["usage"] is None for chunk in chunks)
    assert last["choices"] == []
    assert last["usage"] == {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}


async def test_the_openai_client_streams_what_it_gets_whole(start: Start, app: web.Application) -> None:
    url = await start(app)
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "rent"}]},
    ]
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        model = (await client.models.list()).data[0].id
        whole = await client.chat.completions.create(model=model, messages=messages, temperature=0)
        stream = await client.chat.completions.create(model=model, messages=messages, temperature=0, stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert len(pieces) > 20
    assert "".join(pieces) == whole.choices[0].message.content
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    assert "rent" in whole.choices[0].message.content.lower()


async def test_completions_continue_the_prompt(start: Start, app: web.Application) -> None:
    url = await start(app)
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        whole = await client.completions.create(model="any", prompt="The load balancer", max_tokens=2, temperature=0)
        stream = await client.completions.create(
            model="any", prompt=["The load balancer"], max_tokens=2, temperature=0, stream=True
        )
        pieces = [chunk.choices[0].text async for chunk in stream]
    assert whole.choices[0].text == " spreads the"
    assert "".join(pieces) == " spreads the"


async def test_stop_and_max_completion_tokens(start: Start, session: ClientSession, app: web.Application) -> None:
    url = await start(app) + "/v1/chat/completions"
    async with session.post(url, json={**ASK, "stop": "."}) as response:
        choice = (await response.json())["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert "." not in choice["message"]["content"]
    async with session.post(url, json={**ASK, "max_tokens": 9, "max_completion_tokens": 3}) as response:
        assert (await response.json())["usage"]["completion_tokens"] == 3


async def test_a_seed_makes_a_sample_repeatable(start: Start, session: ClientSession, app: web.Application) -> None:
    url = await start(app) + "/v1/chat/completions"
    texts = []
    for seed in (1, 1, 2):
        async with session.post(url, json={**ASK, "temperature": 1.5, "seed": seed}) as response:
            texts.append((await response.json())["choices"][0]["message"]["content"])
    assert texts[0] == texts[1] != texts[2]


BAD = [
    ({}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": "hello"}, "messages"),
    ({"messages": [{"role": "king", "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content.0.type"),
    ({**ASK, "temperature": 3}, "temperature"),
    ({**ASK, "temperature": "hot"}, "temperature"),
    ({**ASK, "max_tokens": 0}, "max_tokens"),
    ({**ASK, "max_tokens": MAX_TOKENS + 1}, "max_tokens"),
    ({**ASK, "stop": ["a", "b", "c", "d", "e"]}, "stop"),
    ({**ASK, "stop": ""}, "stop"),
    ({**ASK, "n": 2}, "n"),
    ({"messages": [{"role": "user", "content": "a " * 20_000}]}, "messages"),
]


@pytest.mark.parametrize(("body", "param"), BAD)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_bad_request_names_what_is_wrong(
    start: Start,
    session: ClientSession,
    app: web.Application,
    body: dict[str, object],
    param: str,
    stream: bool,
) -> None:
    async with session.post(await start(app) + "/v1/chat/completions", json={**body, "stream": stream}) as response:
        assert response.status == 400
        assert response.content_type == "application/json"
        assert (await response.json())["error"]["param"] == param


async def test_the_openai_client_understands_the_error(start: Start, app: web.Application) -> None:
    url = await start(app)
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        with pytest.raises(BadRequestError, match="less than or equal to 2") as caught:
            await client.chat.completions.create(model="any", messages=ASK["messages"], temperature=9)
    assert caught.value.param == "temperature"


async def until_idle(app: web.Application) -> None:
    async with asyncio.timeout(5):
        while app[llm.INFERENCE].slots.used:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("stream", [False, True])
async def test_generation_stops_when_the_client_goes_away(start: Start, session: ClientSession, stream: bool) -> None:
    app = llm.build(token_delay=10)  # a reply would take minutes
    port = int((await start(app)).rsplit(":", 1)[1])
    body = orjson.dumps({**ASK, "stream": stream})
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    async with asyncio.timeout(5):
        while not app[llm.INFERENCE].slots.used:
            await asyncio.sleep(0.005)
    writer.close()
    await until_idle(app)


async def test_too_many_replies_at_once_are_refused_not_queued(start: Start, session: ClientSession) -> None:
    app = llm.build(token_delay=10)
    app[llm.INFERENCE].slots.limit = 1
    url = await start(app) + "/v1/chat/completions"
    async with session.post(url, json={**ASK, "stream": True}), session.post(url, json=ASK) as second:
        assert (second.status, second.headers["Retry-After"]) == (503, "1")
        assert (await second.json())["error"]["type"] == "server_error"
    await until_idle(app)
