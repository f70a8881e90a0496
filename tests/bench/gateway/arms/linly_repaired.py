"""A server like Linly-Talker's `POST /`, repaired.

Linly's own handler is `async def` around a blocking `generate`, so it answers one caller at a time and
nobody before the whole answer is there. Here the blocking call runs in a thread, and its pieces are
sent as they come, one JSON object of the old form a line. The prompt is Linly's.
"""

import json
import os
from contextlib import asynccontextmanager
from datetime import datetime

import anyio.to_thread
import httpx
from fastapi import FastAPI, Request
from fastapi.concurrency import iterate_in_threadpool
from fastapi.responses import StreamingResponse

from serve import serve

UPSTREAM = os.environ["BENCH_UPSTREAM"]
TEMPLATE = "请用少于25个字回答以下问题 ### Instruction:{}  ### Response:"

limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
client = httpx.Client(limits=limits, timeout=60, trust_env=False)


@asynccontextmanager
async def lifespan(app: FastAPI):
    # A thread for each answer; the default of 40 would be a limit of its own.
    anyio.to_thread.current_default_thread_limiter().total_tokens = 1000
    yield


app = FastAPI(lifespan=lifespan)


def generate(prompt, top_p, temperature):
    """The model: blocking, piece by piece."""
    body = {
        "model": "bench",
        "messages": [{"role": "user", "content": TEMPLATE.format(prompt)}],
        "top_p": top_p,
        "temperature": temperature,
        "stream": True,
    }
    with client.stream("POST", f"{UPSTREAM}/chat/completions", json=body) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            for choice in json.loads(line[6:])["choices"]:
                if content := choice["delta"].get("content"):
                    yield content


@app.post("/")
async def answer(request: Request):
    asked = await request.json()
    said = generate(asked["prompt"], asked.get("top_p", 0.84), asked.get("temperature", 0.84))

    async def pieces():
        try:
            async for piece in iterate_in_threadpool(said):
                time = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
                yield json.dumps({"response": piece, "status": 200, "time": time}) + "\n"
        finally:
            # Left to the garbage collector, the model would go on when the caller has gone.
            said.close()

    return StreamingResponse(pieces(), media_type="application/x-ndjson")


serve(app)
