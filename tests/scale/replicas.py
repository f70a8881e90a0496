#!/usr/bin/env python3
"""Drives turns through two replicas behind a balancer, and counts what becomes of them.

Starts a Redis, two processes of Anima with a written playbook in the place of a model, and HAProxy
with docker/haproxy.cfg, all on free ports of this machine. Clients talk through the balancer while
sessions move from one replica to the other, while one replica is killed, and while both are
restarted in turn. At the end the history is compared with what the clients were told.

    python3 tests/scale/replicas.py --anima target/release/anima

Needs Python 3, redis-server and haproxy (apt-get install redis-server haproxy).
"""

import argparse
import asyncio
import collections
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]

# About a second for each answer, so that most kills and restarts happen during one.
PLAYBOOK = """
[[answers]]
says = "[joy]好的，{said}。我记住了。"
characters = 1
first_ms = 100
every_ms = 50
"""

# Short, so that a dead process' turns are not waited for long.
LEASE_MS = 1500
TEXT, CLOSE = 0x81, 0x88
PATIENCE = 60


def free_port():
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(port, path, timeout=2):
    """The body of a page, or nothing."""
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout).read().decode()
    except OSError:
        return None


def until(what, holds):
    """Waits for something."""
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)


class Replica:
    """One process of the service, which can be started again on its port."""

    def __init__(self, anima, home, redis_port):
        self.anima, self.home, self.port = anima, home, free_port()
        self.environment = {
            **os.environ,
            "ANIMA__HISTORY__STORE": "redis",
            "ANIMA__HISTORY__REDIS__URL": f"redis://127.0.0.1:{redis_port}",
            "ANIMA__HISTORY__REDIS__LEASE_MS": str(LEASE_MS),
        }
        self.process = None

    def start(self):
        """Starts it and waits until it takes turns."""
        options = ["--port", str(self.port), "--profile", "scale", "--config", str(self.home / "config")]
        self.log = open(self.home / f"anima-{self.port}.log", "ab")
        self.process = subprocess.Popen(
            [self.anima, "serve", *options], env=self.environment, stdout=self.log, stderr=self.log
        )
        until("a replica is ready", lambda: fetch(self.port, "/readyz"))

    def finished(self):
        """How many turns it has brought to an end since it was started."""
        lines = (fetch(self.port, "/metrics") or "").splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("anima_turns_total{"))


class Place:
    """Everything that the clients talk to."""

    def __init__(self, home):
        self.home, self.processes, self.replicas = home, [], []

    def start(self, anima):
        redis_port = free_port()
        self.spawn(
            "redis-server", "--bind", "127.0.0.1", "--port", str(redis_port), "--dir", str(self.home), "--save", "",
            "--appendonly", "yes", "--appendfsync", "always",
        )  # fmt: skip
        self.configure()
        for _ in range(2):
            self.replicas.append(Replica(anima, self.home, redis_port))
            self.replicas[-1].start()
        self.port, self.status = free_port(), free_port()
        one, two = (f"127.0.0.1:{replica.port}" for replica in self.replicas)
        addresses = {
            "BIND": f"127.0.0.1:{self.port}",
            "STATUS_BIND": f"127.0.0.1:{self.status}",
            "REPLICA_ONE": one,
            "REPLICA_TWO": two,
        }
        self.spawn("haproxy", "-f", str(ROOT / "docker/haproxy.cfg"), environment=addresses)
        until("the balancer is ready", lambda: fetch(self.status, "/healthz"))

    def configure(self):
        """Writes the repository's settings with a playbook in the place of the model."""
        base = (ROOT / "config/base.toml").read_text(encoding="utf-8")
        before, rest = base.split("[providers.demo]", 1)
        after = rest.split("[telemetry]", 1)[1]
        book = '[providers.demo]\nkind = "scripted"\nfile = "playbook.toml"\n\n[telemetry]'
        base = (before + book + after).replace('prompts = "prompts"', f'prompts = "{ROOT}/prompts"')
        (self.home / "config").mkdir()
        (self.home / "config/base.toml").write_text(base, encoding="utf-8")
        (self.home / "config/scale.toml").write_text("", encoding="utf-8")
        (self.home / "playbook.toml").write_text(PLAYBOOK, encoding="utf-8")

    def spawn(self, *command, environment=None):
        log = open(self.home / f"{command[0]}.log", "ab")
        environment = {**os.environ, **(environment or {})}
        self.processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))

    def history(self, session):
        """The exchanges of a session, as the balancer tells them."""
        return json.loads(fetch(self.port, f"/v1/sessions/{session}/history?limit=200"))["exchanges"]

    def end(self):
        for process in [*(replica.process for replica in self.replicas), *self.processes]:
            if process:
                process.kill()
                process.wait()


def masked(message):
    """A text frame; its mask is zero."""
    payload = json.dumps(message).encode()
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else bytes([0xFE]) + len(payload).to_bytes(2, "big")
    return bytes([TEXT]) + size + bytes(4) + payload


class Socket:
    """A WebSocket."""

    @classmethod
    async def open(cls, port, session, sticky, seq=None):
        """Connects and says hello; gives the socket and its `welcome`."""
        self = cls()
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        query = f"?session={session}" if session and sticky else ""
        self.writer.write(
            f"GET /ws{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        head = await self.reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise ConnectionError(head.split(b"\r\n")[0].decode())
        known = {"session": session, "resume_from": seq}
        self.send({"type": "hello", **{key: value for key, value in known.items() if value}})
        return self, await self.next()

    def send(self, message):
        self.writer.write(masked(message))

    async def next(self):
        """The next text frame; raises where there is none."""
        while True:
            start = await self.reader.readexactly(2)
            length = start[1]
            if length >= 126:
                length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
            payload = await self.reader.readexactly(length)
            if start[0] == TEXT:
                return json.loads(payload)
            if start[0] == CLOSE:
                raise ConnectionError(f"closed with {int.from_bytes(payload[:2], 'big')}")

    def close(self):
        self.writer.close()


class Person:
    """Somebody who talks, comes back when the connection is lost, and says unanswered words again."""

    def __init__(self, place, number, counts):
        self.place, self.number, self.counts = place, number, counts
        self.session, self.socket, self.leaving, self.seq = None, None, False, None
        # Turn → the text that was told, in order.
        self.told = {}

    async def say(self, turn, anew, sticky):
        """Has one turn answered, however often it must be asked. `anew`: on a new connection."""
        if anew and self.socket:
            self.leave()
        end = time.monotonic() + PATIENCE
        self.counts["turns"] += 1
        while time.monotonic() < end:
            try:
                async with asyncio.timeout(10):
                    if await self.attempt(turn, sticky):
                        return
            except (OSError, EOFError, asyncio.IncompleteReadError, TimeoutError) as error:
                self.counts[f"connections lost ({type(error).__name__})"] += 1
                self.leave()
                await asyncio.sleep(0.1)
            self.counts["said again"] += 1
        self.counts["NEVER ANSWERED"] += 1

    async def attempt(self, turn, sticky):
        if self.socket is None:
            self.socket, welcome = await Socket.open(self.place.port, self.session, sticky)
            self.counts["connections"] += 1
            if self.session not in (None, welcome["session"]):
                self.counts["SESSION UNKNOWN"] += 1
            self.session, self.leaving = welcome["session"], False
        self.socket.send({"type": "say", "turn": turn, "text": turn})
        while True:
            frame = await self.socket.next()
            kind, self.seq = frame["type"], frame.get("seq", self.seq)
            if kind == "goaway":
                self.counts["goaway"] += 1
                self.leaving = True
            elif kind == "accepted" and frame["turn"] == turn:
                self.counts["replays" if frame.get("replay") else "accepted"] += 1
            elif kind == "finished" and frame["turn"] == turn:
                self.told[turn] = frame["text"]
                if frame["reason"] != "complete":
                    self.counts[f"FINISHED {frame['reason']}"] += 1
                if self.leaving:
                    self.leave()
                return True
            elif kind == "failed" and frame["turn"] == turn:
                self.counts[f"failed {frame['code']}"] += 1
                return False
            elif kind == "error":
                self.counts[f"refused {frame['code']}"] += 1
                await asyncio.sleep(frame.get("retry_after_ms", 100) / 1000)
                if frame["code"] == "shutting_down":
                    self.leave()
                return False

    def leave(self):
        if self.socket:
            self.socket.close()
        self.socket = None


class Caller(Person):
    """Somebody who does the same by the REST twin."""

    async def attempt(self, turn, sticky):
        if self.session is None:
            status, body = await self.call("POST", "/v1/sessions", {})
            if status != 201:
                return await self.refused(status, body)
            self.session = body["id"]
        path = f"/v1/sessions/{self.session}/turns"
        status, body = await self.call("POST", path, {"turn": turn, "text": turn})
        if status != 200:
            return await self.refused(status, body)
        self.counts["replays" if body["replay"] else "accepted"] += 1
        self.told[turn] = body["text"]
        if body["reason"] != "complete":
            self.counts[f"FINISHED {body['reason']}"] += 1
        return True

    async def refused(self, status, body):
        error = body.get("error", {}).get("code", "by the balancer")
        self.counts[f"refused {status} {error}"] += 1
        await asyncio.sleep(0.2)
        return False

    async def call(self, method, path, body):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.place.port)
        self.counts["connections"] += 1
        payload = json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(payload)}\r\n\r\n".encode() + payload)
        answer = await reader.read()
        writer.close()
        if b"\r\n\r\n" not in answer:
            raise ConnectionError("no answer")
        head, _, body = answer.partition(b"\r\n\r\n")
        try:
            return int(head.split()[1]), json.loads(body)
        except ValueError:
            return int(head.split()[1]), {}


async def talk(people, turns, anew=False, sticky=True):
    """All of them say so many turns, each in their own time."""

    async def one(person):
        for _ in range(turns):
            await person.say(f"t{person.number}-{len(person.told)}", anew, sticky)

    await asyncio.gather(*map(one, people))


async def come_back(people):
    """All of them talk, and come back to the replica that knows where they were."""
    await talk(people, 1)
    for sticky in (False, True):
        for person in people:
            if sticky:
                # On the way that is meant: the first connection had no session to go by.
                await person.say(f"t{person.number}-{len(person.told)}", True, True)
            person.leave()
            person.socket, welcome = await Socket.open(person.place.port, person.session, sticky, person.seq)
            how = "with" if sticky else "without"
            resumed = "resumed" if welcome["resumed"] else "NOT RESUMED" if sticky else "not resumed"
            person.counts[f"{resumed} {how} the session in the address"] += 1


async def while_talking(people, turns, happening):
    """Something happens to the replicas, on a thread of its own, a second after they began to talk."""

    async def later():
        await asyncio.sleep(1)
        await asyncio.to_thread(happening)

    await asyncio.gather(talk(people, turns), later())


def examine(place, people, counts):
    """Compares the history with what was told."""
    for person in people:
        exchanges = place.history(person.session)
        kept = [(exchange["turn"], exchange["text"]) for exchange in exchanges]
        if kept == list(person.told.items()):
            counts["turns kept as they were told, in order"] += len(kept)
        else:
            counts["SESSIONS OTHER THAN TOLD"] += 1
            print(f"session {person.session}: kept {kept}, told {list(person.told.items())}")
        counts["NOT FINISHED"] += sum(exchange["state"] != "finished" for exchange in exchanges)


def show(title, counts):
    """Prints counts, and says whether any of them tells a loss. Those have capital letters."""
    print(f"\n{title}")
    for name, count in sorted(counts.items()):
        if count:
            print(f"  {count:6}  {name}")
    return any(count and any(word.isupper() for word in name.split()) for name, count in counts.items())


def status(port, method, path):
    """The status of an answer to somebody who claims to call from this machine."""
    headers = {"Forwarded": "for=127.0.0.1", "X-Forwarded-For": "127.0.0.1"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code


def closed(place):
    """Looks at what the balancer lets through, and says whether any of it is not as it should be."""
    expected = {
        ("GET", "/healthz"): 200,
        ("GET", "/readyz"): 404,
        ("GET", "/metrics"): 404,
        ("POST", "/llm_change_model/?model_name=demo"): 403,
    }
    found = {call: status(place.port, *call) for call in expected}
    print("Through the balancer:", ", ".join(f"{path} {code}" for (_, path), code in found.items()))
    return found != expected


def run(place, size):
    """Every scene, one after the other."""
    wrong = closed(place)

    def scene(title, people, story):
        nonlocal wrong
        counts = collections.Counter()
        for person in people:
            person.counts = counts
        began = time.monotonic()
        before = [replica.finished() for replica in place.replicas]

        async def told():
            await story
            for person in people:
                person.leave()

        asyncio.run(told())
        examine(place, people, counts)
        after = [replica.finished() - then for replica, then in zip(place.replicas, before)]
        wrong |= show(f"{title} ({time.monotonic() - began:.0f} s)", counts)
        return after

    people = [Person(place, number, None) for number in range(size)]
    story = talk(people, 6, anew=True, sticky=False)
    shares = scene("Sessions move: each turn on a connection of its own, turn about", people, story)
    print("  ", " and ".join(f"{share:.0f}" for share in shares), "turns at the replicas")
    wrong |= min(shares) == 0

    people = [Person(place, number, None) for number in range(size)]
    scene("Coming back", people, come_back(people))

    people = [Person(place, number, None) for number in range(size)]
    people += [Caller(place, number, None) for number in range(size, 2 * size)]
    first, second = place.replicas

    def kill():
        for replica in (first, second):
            replica.process.send_signal(signal.SIGKILL)
            replica.process.wait()
            time.sleep(2)
            replica.start()
            time.sleep(3)

    scene("Killed during turns, first one replica and then the other", people, while_talking(people, 12, kill))

    def restart():
        for replica in (first, second):
            replica.process.send_signal(signal.SIGTERM)
            replica.process.wait()
            replica.start()
            # The balancer has to see that it is back before the other one goes.
            time.sleep(4)

    scene("Restarted in turn", people, while_talking(people, 12, restart))
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anima", required=True, help="the program; a build without the engine will do")
    parser.add_argument("--size", type=int, default=20, help="how many people talk, by each protocol")
    options = parser.parse_args()
    missing = [name for name in ("redis-server", "haproxy") if not shutil.which(name)]
    if missing:
        print(f"nothing was tried: install {' and '.join(missing)} first")
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Place(pathlib.Path(folder))
        try:
            place.start(options.anima)
            wrong = run(place, options.size)
        finally:
            place.end()
    print("\nSomething was lost." if wrong else "\nNothing was lost.")
    sys.exit(wrong)


if __name__ == "__main__":
    main()
