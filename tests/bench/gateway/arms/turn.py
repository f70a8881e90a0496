"""The whole turn in Python: WebSocket in, Redis, prompt, sentences out, Redis, and it can be interrupted.

Its frames are those of Anima's native WebSocket, as far as the benchmark sends and reads them. What Anima
does besides (a verdict, speech, emotions, resuming, taking turns over from a dead process) is left out.
"""

import asyncio
import json
import os
import re
import uuid
from contextlib import asynccontextmanager

import aiohttp
import orjson
import redis.asyncio
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from serve import serve

UPSTREAM = os.environ["BENCH_UPSTREAM"]
SYSTEM = "You are a digital human. Answer in natural spoken language, without lists or markup."
KEPT = 7 * 24 * 60 * 60
END = re.compile(r"(?<=[。！？!?…])")


@asynccontextmanager
async def lifespan(app: FastAPI):
    connector = aiohttp.TCPConnector(limit=0)
    app.state.store = redis.asyncio.from_url(os.environ["BENCH_REDIS"])
    async with aiohttp.ClientSession(connector=connector) as session:
        app.state.session = session
        yield
    await app.state.store.aclose()


app = FastAPI(lifespan=lifespan)


class Talk:
    """One socket's conversation."""

    def __init__(self, socket, key):
        self.socket, self.key, self.running = socket, key, None
        self.store, self.session = socket.app.state.store, socket.app.state.session

    async def send(self, **frame):
        await self.socket.send_text(orjson.dumps(frame).decode())

    async def say(self, frame):
        await self.stop()
        turn, text = frame["turn"], frame["text"]
        pipeline = self.store.pipeline(transaction=True)
        pipeline.lrange(self.key, -2 * frame.get("turns", 5), -1)
        pipeline.rpush(self.key, orjson.dumps({"role": "user", "content": text}))
        pipeline.expire(self.key, KEPT)
        recent, *_ = await pipeline.execute()
        recent = [orjson.loads(row) for row in recent] if frame.get("turns", 5) else []
        await self.send(type="accepted", turn=turn)
        self.running = asyncio.create_task(self.answer(turn, text, recent))

    async def stop(self):
        if self.running and not self.running.done():
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)

    async def answer(self, turn, text, recent):
        messages = [{"role": "system", "content": SYSTEM}, *recent, {"role": "user", "content": text}]
        body = {"model": "bench", "messages": messages, "stream": True}
        whole, rest, index, reason = "", "", 0, "interrupted"
        try:
            async with self.session.post(f"{UPSTREAM}/chat/completions", json=body) as answer:
                async for line in answer.content:
                    if not line.startswith(b"data: {"):
                        continue
                    for choice in orjson.loads(line[6:])["choices"]:
                        rest += choice["delta"].get("content") or ""
                    *sentences, rest = END.split(rest)
                    for sentence in sentences:
                        await self.send(type="sentence", turn=turn, index=index, text=sentence)
                        whole, index = whole + sentence, index + 1
            if rest:
                await self.send(type="sentence", turn=turn, index=index, text=rest)
                whole += rest
            reason = "complete"
        finally:
            await self.store.rpush(
                self.key, orjson.dumps({"role": "assistant", "content": whole, "reason": reason})
            )
            await self.send(type="finished", turn=turn, reason=reason, text=whole)


@app.websocket("/ws")
async def talk(socket: WebSocket):
    await socket.accept()
    talk = Talk(socket, f"bench:{uuid.uuid4()}")
    try:
        while True:
            frame = json.loads(await socket.receive_text())
            match frame["type"]:
                case "hello":
                    await talk.send(type="welcome")
                case "say":
                    await talk.say(frame)
                case "interrupt":
                    await talk.stop()
                    await talk.send(type="heard", turn=frame["turn"], text="")
    except WebSocketDisconnect:
        await talk.stop()


serve(app)
