import base64
import struct

import pytest
from aiohttp import ClientSession
from openai import AsyncOpenAI, BadRequestError

from coordinator.demo import embeddings
from coordinator.demo.vectors import embed

from .conftest import Start


async def test_the_openai_client_gets_vectors_by_either_encoding(start: Start) -> None:
    url = await start(embeddings.build())
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        assert [model.id for model in (await client.models.list()).data] == [embeddings.MODEL]
        packed = await client.embeddings.create(model=embeddings.MODEL, input=["rent", "letters"])
        plain = await client.embeddings.create(model="any", input="rent", encoding_format="float")
    assert [item.index for item in packed.data] == [0, 1]
    assert packed.data[0].embedding == pytest.approx(embed("rent"), abs=1e-6)
    assert plain.data[0].embedding == embed("rent")
    assert packed.usage.prompt_tokens == packed.usage.total_tokens == 2


async def test_base64_is_little_endian_floats(start: Start, session: ClientSession) -> None:
    url = await start(embeddings.build())
    body = {"input": "rent", "encoding_format": "base64", "dimensions": 8}
    async with session.post(f"{url}/v1/embeddings", json=body) as response:
        raw = base64.b64decode((await response.json())["data"][0]["embedding"])
    assert struct.unpack("<8f", raw) == pytest.approx(embed("rent", 8), abs=1e-6)


async def test_many_texts_keep_their_order(start: Start, session: ClientSession) -> None:
    url = await start(embeddings.build())
    texts = [f"letter number {number}" for number in range(50)]
    async with session.post(f"{url}/v1/embeddings", json={"input": texts}) as response:
        data = (await response.json())["data"]
    assert [item["embedding"] for item in data] == [embed(text) for text in texts]


BAD = [
    ({"input": ""}, "input"),
    ({"input": []}, "input"),
    ({"input": ["good", ""]}, "input.1"),
    ({"input": [[1, 2, 3]]}, "input.0"),
    ({"input": 5}, "input"),
    ({}, "input"),
    ({"input": "x", "dimensions": 0}, "dimensions"),
    ({"input": "x", "dimensions": 257}, "dimensions"),
    ({"input": "x", "encoding_format": "hex"}, "encoding_format"),
    ({"input": "x" * 40_000}, "input"),
    ({"input": ["x" * 30_000] * 10}, "input"),
    ({"input": ["x"] * 3000}, "input"),
    ([], None),
    (None, None),
]


@pytest.mark.parametrize(("body", "param"), BAD)
async def test_a_bad_request_names_what_is_wrong(
    start: Start, session: ClientSession, body: object, param: str | None
) -> None:
    url = await start(embeddings.build())
    async with session.post(f"{url}/v1/embeddings", json=body) as response:
        error = (await response.json())["error"]
    assert response.status == 400
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param


async def test_the_openai_client_understands_the_error(start: Start) -> None:
    url = await start(embeddings.build())
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        with pytest.raises(BadRequestError, match="at least 1 character") as caught:
            await client.embeddings.create(model="any", input="")
    assert caught.value.param == "input"
