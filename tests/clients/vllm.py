"""vLLM's old `/generate`: the documented request, and the two ways in which its clients read the stream."""

import asyncio
import json

import aiohttp
import requests

from cases import equal, within

NAME = "vLLM's clients of /generate"
PACKAGE = "requests"

PROMPT = "从前有座山"


def run(cases, world):
    there = world.anima.url("/generate")
    ask = {"model": "base-model", "prompt": PROMPT}

    def whole():
        answer = requests.post(there, json={**ask, "n": 2, "max_tokens": 16, "temperature": 0.7}, timeout=20)
        equal(answer.json(), {"text": [PROMPT + PROMPT] * 2})

    def api_client():
        # The documentation's client: lines end with NUL, and each holds all texts so far.
        body = {**ask, "n": 4, "temperature": 0.5, "max_tokens": 16, "stream": True}
        answer = requests.post(there, headers={"User-Agent": "Test Client"}, json=body, stream=True, timeout=20)
        lines = [
            json.loads(line.decode())["text"]
            for line in answer.iter_lines(chunk_size=8192, decode_unicode=False, delimiter=b"\0")
            if line
        ]
        equal(lines[-1], [PROMPT + PROMPT] * 4)
        for before, after in zip(lines, lines[1:]):
            assert all(later.startswith(sooner) for sooner, later in zip(before, after)), (before, after)

    async def last_chunk():
        # The benchmark's client: whatever came last from the network is one whole object.
        async with aiohttp.ClientSession() as session:
            body = {**ask, "n": 1, "best_of": 1, "use_beam_search": False, "temperature": 0.0, "top_p": 1.0, "ignore_eos": False, "stream": True}
            async with session.post(there, json=body) as answer:
                equal(answer.status, 200)
                data = b""
                async for chunk in answer.content.iter_any():
                    data = chunk
        return json.loads(data.decode().strip("\0"))["text"][0][len(PROMPT):]

    def refused():
        answer = requests.post(there, json={**ask, "use_beam_search": True, "best_of": 2, "temperature": 0}, timeout=20)
        equal(answer.status_code, 400)
        within("beam", answer.json()["error"]["message"])

    def health():
        answer = requests.get(world.anima.url("/health"), timeout=20)
        equal((answer.status_code, answer.content), (200, b""))

    for attempt in [whole, api_client, refused, health]:
        cases.case(attempt.__name__, attempt)
    cases.case("last_chunk", lambda: equal(asyncio.run(last_chunk()), PROMPT))
