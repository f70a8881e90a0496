#!/usr/bin/env python3
"""Measures what bad clients and too many clients cost a running Anima.

Starts the service with a written playbook in the place of a model, on a free port and an empty
store, and prints what `tests/hostile` only bounds: memory, seconds until a client that does not read
is gone, the latency of 20 healthy clients beside 200 of those, and how many turns are answered and
how quickly the others are refused at five times the capacity. Needs nothing but Python 3.

    python3 tests/bench/hostile.py --anima target/release/anima
"""

import argparse
import asyncio
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]

PLAYBOOK = """
[[answers]]
asks = ["slowly"]
says = "Fine."
first_ms = 200

[[answers]]
says = "Fine."
"""

TEXT, CLOSE = 0x81, 0x88


class Service:
    """A running process."""

    def __init__(self, anima: str, server: str = "") -> None:
        """Starts it with these lines in `[server]`."""
        self.folder = tempfile.TemporaryDirectory()
        home = pathlib.Path(self.folder.name)
        base = (ROOT / "config/base.toml").read_text(encoding="utf-8")
        before, rest = base.split("[providers.demo]")
        after = rest.split("[telemetry]")[1]
        demo = '[providers.demo]\nkind = "scripted"\nfile = "playbook.toml"\n\n[telemetry]'
        base = (before + demo + after).replace('prompts = "prompts"', f'prompts = "{ROOT}/prompts"')
        (home / "config").mkdir()
        (home / "config/base.toml").write_text(base, encoding="utf-8")
        (home / "config/bench.toml").write_text(f"[server]\n{server}\n", encoding="utf-8")
        (home / "playbook.toml").write_text(PLAYBOOK, encoding="utf-8")
        self.process = subprocess.Popen(
            [anima, "serve", "--port", "0", "--profile", "bench", "--config", str(home / "config"), "--data", str(home / "data")],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for line in self.process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                break
        threading.Thread(target=lambda: [None for _ in self.process.stdout], daemon=True).start()

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def forget_peak(self) -> None:
        """Counts `VmHWM` from now on."""
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def memory(self, field: str) -> float:
        """VmRSS (now) or VmHWM (ever), in MiB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(rf"{field}:\s+(\d+)", status)[1]) / 1024

    def files(self) -> int:
        """Files that it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def connections(self) -> int:
        """Connections at its port that the kernel keeps something for."""
        lines = pathlib.Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        columns = (line.split() for line in lines)
        idle = ("0A", "05", "06")
        return sum(c[1].endswith(f":{self.port:04X}") and c[3] not in idle for c in columns)


def frame(opcode: int, payload: bytes) -> bytes:
    """A masked frame; the mask is zero."""
    length = len(payload)
    if length < 126:
        size = bytes([0x80 | length])
    elif length < 65536:
        size = bytes([0x80 | 126]) + length.to_bytes(2, "big")
    else:
        size = bytes([0x80 | 127]) + length.to_bytes(8, "big")
    return bytes([opcode]) + size + bytes(4) + payload


def handshake(port: int) -> bytes:
    """The request that opens a WebSocket."""
    return (
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


class Client:
    """A well-behaved client."""

    @classmethod
    async def open(cls, port: int) -> "Client":
        """Connects."""
        self = cls()
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        self.writer.write(handshake(port))
        await self.reader.readuntil(b"\r\n\r\n")
        return self

    async def next(self) -> dict:
        """The next text frame."""
        while True:
            start = await self.reader.readexactly(2)
            length = start[1]
            if length >= 126:
                length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
            payload = await self.reader.readexactly(length)
            if start[0] == TEXT:
                return json.loads(payload)
            if start[0] == CLOSE:
                raise ConnectionError(int.from_bytes(payload[:2], "big"))

    async def ask(self, text: str, kind: str = "say") -> tuple[str, float]:
        """Says something, or has it spoken; gives the type of the last frame and the seconds until it."""
        began = time.perf_counter()
        self.writer.write(frame(TEXT, json.dumps({"type": kind, "text": text}).encode()))
        while (told := await self.next())["type"] not in ("finished", "failed", "error"):
            pass
        return told["type"], time.perf_counter() - began


def silent(port: int, hello: bytes) -> socket.socket:
    """A client that never reads and can hold little."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(handshake(port) + frame(TEXT, hello))
    return client


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def healthy(clients: list[Client], seconds: float) -> list[float]:
    """Asks with every client, with pauses; gives the milliseconds of every answer."""
    end = time.perf_counter() + seconds

    async def talk(client: Client) -> list[float]:
        times = []
        while time.perf_counter() < end:
            times.append((await client.ask("Hello."))[1] * 1000)
            await asyncio.sleep(0.1)
        return times

    return [each for times in await asyncio.gather(*map(talk, clients)) for each in times]


async def crowd(service: Service, size: int) -> None:
    """Clients that do not read beside 20 that do."""
    clients = [await Client.open(service.port) for _ in range(20)]
    await healthy(clients, 2)
    speaker = await Client.open(service.port)
    speaker.writer.write(frame(TEXT, b'{"type":"hello"}'))
    session = (await speaker.next())["session"]
    speech = "One sentence after the other. " * 540
    # What a session remembers is its own; the first speeches fill that.
    for _ in range(8):
        await speaker.ask(speech, "speak")

    async def speak() -> None:
        """64 KiB of text a second for ten seconds."""
        for _ in range(40):
            await asyncio.gather(speaker.ask(speech, "speak"), asyncio.sleep(0.25))

    # The speech is part of both measurements: reading it keeps this program busy, too.
    alone, _ = await asyncio.gather(healthy(clients, 10), speak())
    before, files = service.memory("VmRSS"), service.files()
    hello = json.dumps({"type": "hello", "session": session, "observe": True}).encode()
    silent_ones = [silent(service.port, hello) for _ in range(size)]
    began = time.perf_counter()

    async def watch() -> float:
        """Seconds until all of them are gone."""
        while service.connections() > len(clients) + 1:
            await asyncio.sleep(0.1)
        return time.perf_counter() - began

    _, gone, beside = await asyncio.gather(speak(), watch(), healthy(clients, 10))
    print(f"{size} WebSockets that watch a session with 64 KiB of speech a second and do not read")
    print(f"    memory, MiB: {before:.1f} before, {service.memory('VmHWM'):.1f} at most, {service.memory('VmRSS'):.1f} after")
    print(f"    gone after {gone:.1f} s; open files {files} before, {service.files()} after")
    for name, times in (("alone", alone), ("beside them", beside)):
        print(f"    20 healthy clients {name}: {len(times)} answers, p50 {percentile(times, 0.5):.1f} ms, p99 {percentile(times, 0.99):.1f} ms")
    print(f"    p99 ratio {percentile(beside, 0.99) / percentile(alone, 0.99):.2f}")


async def followers(service: Service, size: int) -> None:
    """Event streams that nobody reads."""
    text = "This sentence has nothing to say to anybody. " * 700
    body = json.dumps({"turn": "told", "purpose": "speak", "text": text, "stream": True})

    async def request(method: str, path: str, content: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(content)}\r\n\r\n"
        writer.write((head + content).encode())
        return await reader.read()

    paths = []
    for _ in range(size):
        answer = await request("POST", "/v1/sessions", "{}")
        paths.append("/v1/sessions/" + json.loads(answer.split(b"\r\n\r\n", 1)[1])["id"] + "/turns")
        await request("POST", paths[-1], body)
    # What it costs to tell so many answers again, to clients that do read.
    await asyncio.gather(*(request("POST", path, body) for path in paths))
    before = service.memory("VmRSS")
    service.forget_peak()
    silent_ones = []
    for path in paths:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", service.port))
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        silent_ones.append(client)
    began = time.perf_counter()
    while service.connections() > 0:
        await asyncio.sleep(0.1)
    print(f"{size} event streams that nobody reads")
    print(f"    memory, MiB: {before:.1f} before, {service.memory('VmHWM'):.1f} at most; gone after {time.perf_counter() - began:.1f} s")


async def load(port: int, sessions: int, seconds: float) -> tuple[int, list[float]]:
    """Turns of 200 ms from so many sessions, which come back 200 ms after a refusal; gives the
    number of answers and the milliseconds of every refusal."""
    clients = [await Client.open(port) for _ in range(sessions)]
    end = time.perf_counter() + seconds
    answered, refused = 0, []

    async def talk(client: Client) -> None:
        nonlocal answered
        while time.perf_counter() < end:
            kind, took = await client.ask("slowly")
            if kind == "finished":
                answered += time.perf_counter() < end
            else:
                refused.append(took * 1000)
                await asyncio.sleep(0.2)

    await asyncio.gather(*map(talk, clients))
    for client in clients:
        client.writer.close()
    return answered, refused


async def overload(service: Service, capacity: int, seconds: float) -> None:
    """The capacity, and five times of it."""
    await load(service.port, capacity, 2)
    peak, _ = await load(service.port, capacity, seconds)
    await asyncio.sleep(1)
    answered, refused = await load(service.port, 5 * capacity, seconds)
    print(f"{capacity} turns at a time, {5 * capacity} sessions that ask for turns of 200 ms, {seconds:.0f} s each")
    print(f"    goodput {peak / seconds:.1f} turns/s at the capacity, {answered / seconds:.1f} at five times of it: {100 * answered / peak:.0f} %")
    late = sum(each > 100 for each in refused)
    print(f"    {len(refused)} refused: p50 {percentile(refused, 0.5):.1f} ms, p99 {percentile(refused, 0.99):.1f} ms, most {max(refused):.1f} ms; {late} after more than 100 ms")


def flood(service: Service, length: int, size: int) -> None:
    """A frame that declares too much, and is sent."""
    before = service.memory("VmHWM")
    client = socket.create_connection(("127.0.0.1", service.port), timeout=20)
    client.sendall(handshake(service.port))
    header = bytes([0x82, 0xFF]) + length.to_bytes(8, "big") + bytes(4)
    block, sent, code = bytes(1 << 16), 0, None
    try:
        client.sendall(header)
        while sent < size:
            client.sendall(block)
            sent += len(block)
    except OSError:
        pass
    answer = b""
    try:
        while piece := client.recv(4096):
            answer += piece
    except OSError:
        pass
    if (at := answer.rfind(bytes([CLOSE]))) >= 0:
        code = int.from_bytes(answer[at + 2 : at + 4], "big")
    print(f"a frame that declares 2^{length.bit_length() - 1} bytes: {sent >> 20} MiB sent, closed with {code}, {service.memory('VmHWM') - before:.2f} MiB more")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--anima", default=str(ROOT / "target/release/anima"))
    parser.add_argument("--crowd", type=int, default=200, help="clients that do not read")
    parser.add_argument("--capacity", type=int, default=20, help="turns at a time, for the overload")
    parser.add_argument("--seconds", type=float, default=20, help="length of each load")
    arguments = parser.parse_args()
    with Service(arguments.anima) as service:
        for length in (1 << 40, 1 << 63):
            flood(service, length, 256 << 20)
    with Service(arguments.anima) as service:
        asyncio.run(crowd(service, arguments.crowd))
    with Service(arguments.anima) as service:
        asyncio.run(followers(service, arguments.crowd))
    with Service(arguments.anima, f"max_turns = {arguments.capacity}\nmessages_per_minute = 100000") as service:
        asyncio.run(overload(service, arguments.capacity, arguments.seconds))


if __name__ == "__main__":
    main()
