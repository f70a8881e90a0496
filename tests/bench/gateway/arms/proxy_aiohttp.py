"""A pass-through proxy as FastAPI's users write it with aiohttp: bytes in, bytes out, nothing parsed."""

import os
from contextlib import asynccontextmanager

import aiohttp
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from serve import serve

UPSTREAM = os.environ["BENCH_UPSTREAM"]


@asynccontextmanager
async def lifespan(app: FastAPI):
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        app.state.session = session
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/v1/chat/completions")
async def completions(request: Request):
    answer = await request.app.state.session.post(
        f"{UPSTREAM}/chat/completions",
        data=await request.body(),
        headers={"content-type": "application/json"},
    )

    async def pieces():
        ended = False
        try:
            async for piece in answer.content.iter_any():
                yield piece
            ended = True
        finally:
            # One that was read to its end goes back to the pool, another is closed.
            answer.release() if ended else answer.close()

    return StreamingResponse(pieces(), answer.status, media_type="text/event-stream")


serve(app)
