#!/usr/bin/env python3
"""A minimal client of Anima's WebSocket: talks in the terminal, says sentences at the pace of speech, and cuts in
when the person presses Enter. It keeps its session, resumes where a connection broke, and tells the service what was
heard. Needs `pip install websockets` (12 or newer).

    python3 examples/python/talk.py [--url ws://127.0.0.1:7871/ws] [--session ID] [--once WORDS]
"""

import argparse
import asyncio
import json
import sys
import uuid

import websockets

CHARACTERS_PER_SECOND = 12
FACES = {"joy": "😊", "calm": "😌", "sad": "😢", "surprise": "😮", "sorry": "🙇", "curious": "🤔",
         "proud": "😎", "anger": "😠", "fear": "😨"}


class Client:
    """One conversation. `receive` hands out frames; a lost connection is resumed in between."""

    def __init__(self, url, session=None):
        self.url, self.session = url, session
        self.epoch, self.last_seq = None, None
        self.socket = None

    async def connect(self):
        """Connects, or comes back to where it was."""
        pause = 0.25
        while True:
            try:
                self.socket = await websockets.connect(self.url)
                break
            except OSError as error:
                print(f"({error}; trying again)", file=sys.stderr)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 8)
        hello = {"type": "hello", "playback": "acknowledged"}
        if self.session:
            hello["session"] = self.session
        if self.last_seq:
            hello |= {"resume_from": self.last_seq, "epoch": self.epoch}
        await self.send(hello)

    async def send(self, frame):
        """Sends a frame. What a broken connection swallows is seen by `receive`, which comes back."""
        try:
            await self.socket.send(json.dumps(frame, ensure_ascii=False))
        except websockets.ConnectionClosed:
            pass

    async def receive(self):
        """The next frame. A frame that comes a second time is passed over."""
        while True:
            try:
                frame = json.loads(await self.socket.recv())
            except websockets.ConnectionClosed as closed:
                if closed.rcvd and 4500 <= closed.rcvd.code <= 4999:
                    raise SystemExit("this session was opened elsewhere")
                await self.connect()
                continue
            if frame["type"] == "welcome":
                if frame["epoch"] != self.epoch:
                    self.last_seq = None
                self.session, self.epoch = frame["session"], frame["epoch"]
            sequence = frame.get("seq")
            if sequence is not None:
                if self.last_seq and sequence <= self.last_seq:
                    continue
                self.last_seq = sequence
            return frame


class Speaker:
    """Stands in for an avatar: it prints what would be said, as fast as it would be said."""

    def __init__(self, client):
        self.client, self.queue = client, asyncio.Queue()
        self.turn, self.heard = None, ""
        self.task = asyncio.create_task(self.run())

    async def run(self):
        while True:
            frame = await self.queue.get()
            if frame is None:
                return
            if frame["turn"] != self.turn:
                self.turn, self.heard = frame["turn"], ""
            if frame["index"] == 0:
                print(FACES.get(frame["emotion"], "🙂"), end=" ", flush=True)
            for character in frame["text"]:
                print(character, end="", flush=True)
                self.heard += character
                await asyncio.sleep(1 / CHARACTERS_PER_SECOND)
            await self.client.send({"type": "spoken", "turn": frame["turn"], "sentence": frame["index"]})

    async def finish(self):
        """Says what is left, and ends."""
        self.queue.put_nowait(None)
        await self.task

    def stop(self):
        """Falls silent at once; `heard` is what was said by then."""
        self.task.cancel()


async def answer(client, words, cut):
    """Says words, speaks the answer, and stops when `cut` is set."""
    turn, speaker = uuid.uuid4().hex, Speaker(client)
    say = {"type": "say", "turn": turn, "text": words}
    await client.send(say)
    cutting = asyncio.create_task(cut.wait())
    speaking = None
    receiving = asyncio.create_task(client.receive())
    while True:
        waiting = {task for task in (receiving, cutting, speaking) if task}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if cutting.done():
            speaker.stop()
            print(" …")
            await client.send({"type": "interrupt", "turn": turn, "heard": speaker.heard})
            while (await receiving)["type"] not in ("heard", "error"):
                receiving = asyncio.create_task(client.receive())
            return
        if speaking and speaking.done():
            print()
            cutting.cancel()
            receiving.cancel()
            return
        if not receiving.done():
            continue
        frame = receiving.result()
        if frame["type"] == "welcome" and not frame["resumed"]:
            # The service may not know the turn: asked for again under its id, it is answered once.
            await client.send(say)
        elif frame.get("turn") == turn and frame["type"] == "sentence":
            speaker.queue.put_nowait(frame)
        elif frame.get("turn") == turn and frame["type"] in ("failed", "error"):
            print(f"({frame['message']})")
            speaker.stop()
            cutting.cancel()
            return
        elif frame.get("turn") == turn and frame["type"] == "finished":
            speaking = asyncio.create_task(speaker.finish())
        receiving = asyncio.create_task(client.receive())


async def main():
    arguments = argparse.ArgumentParser(description="Talk with a digital human.")
    arguments.add_argument("--url", default="ws://127.0.0.1:7871/ws")
    arguments.add_argument("--session", help="the session to go on with")
    arguments.add_argument("--once", metavar="WORDS", help="say this, print the answer, and end")
    chosen = arguments.parse_args()
    client = Client(chosen.url, chosen.session)
    await client.connect()
    welcome = await client.receive()
    print(f"Talking to {welcome['persona']} with {welcome['provider']}. Enter cuts in, Ctrl-D ends.")
    if chosen.once:
        await answer(client, chosen.once, asyncio.Event())
        return
    lines, cut = asyncio.Queue(), asyncio.Event()

    def read():
        line = sys.stdin.readline()
        cut.set()
        lines.put_nowait(line)

    asyncio.get_running_loop().add_reader(sys.stdin, read)
    while True:
        print("> ", end="", flush=True)
        line = await lines.get()
        if not line:
            return
        if line.strip():
            cut.clear()
            await answer(client, line.strip(), cut)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
