"""The programs that clients are tried on: Anima with a playbook and a stand-in for a model server, on free ports."""

import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60

# What the stand-in says, unless it is told otherwise.
UPSTREAM_TEXT = "慢慢呼吸几次，把大事拆成小步。再找人聊聊。"
# What the playbook says to a persona, and what is left of it.
PLAYBOOK_TEXT = "你好，我是灵犀。很高兴见到你。"
KEY = "key-of-the-tests"

SETTINGS = """
[turn]
provider = "upstream"
persona = "companion"
retry = {{ per_turn = 0 }}
breaker = {{ failures = 0, unauthorized_ms = 0 }}

[providers.demo]
enabled = false

[providers.upstream]
kind = "openai"
model = "stand-in"
base_url = "{upstream}/v1"
extended_sampling = true
embedding_model = "stand-in-vectors"
aliases = ["gpt-4o-mini", "text-embedding-3-small", "gpt-realtime", "ChatGPT"]

# Who was at its limit is left alone for a while: a name of its own for that.
[providers.limited]
kind = "openai"
model = "stand-in"
base_url = "{upstream}/v1"

[providers.playbook]
kind = "scripted"
file = "playbook.toml"
aliases = ["Linly", "base-model"]
"""

PLAYBOOK = """
[[answers]]
asks = ["慢"]
says = "慢慢来。"
first_ms = 3000

[[answers]]
asks = ["坏"]
ends = "unavailable"

[[answers]]
asks = ["你叫"]
says = "[joy]你好，我是灵犀。很高兴见到你。"
characters = 2

[[answers]]
says = "{said}"
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stop(process):
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Upstream:
    """A running stand-in for a model server."""

    def __init__(self, program):
        self.address = f"127.0.0.1:{free_port()}"
        self.process = subprocess.Popen([program, "--listen", self.address], stdout=subprocess.PIPE)
        if not self.process.stdout.readline():
            raise RuntimeError(f"{program} did not start")

    def url(self, path):
        return f"http://{self.address}{path}"

    def plan(self, fault="none", **more):
        """What is answered from now on."""
        body = json.dumps({"fault": fault, **more}).encode()
        urllib.request.urlopen(urllib.request.Request(self.url("/control"), data=body)).read()

    def last(self):
        """The last request that came."""
        return json.load(urllib.request.urlopen(self.url("/control")))["recorded"][-1]

    def stop(self):
        stop(self.process)


class Anima:
    """A running service."""

    def __init__(self, program, upstream, settings="", files=None):
        self.folder = Path(tempfile.mkdtemp(prefix="anima-clients-"))
        (self.folder / "config").mkdir()
        shutil.copytree(ROOT / "prompts", self.folder / "prompts")
        shutil.copy(ROOT / "config" / "base.toml", self.folder / "config")
        local = SETTINGS.format(upstream=upstream.url("")) + settings
        (self.folder / "config" / "local.toml").write_text(local, "utf-8")
        (self.folder / "playbook.toml").write_text(PLAYBOOK, "utf-8")
        for name, text in (files or {}).items():
            (self.folder / name).write_bytes(text)
            (self.folder / name).chmod(0o600)
        self.port = free_port()
        self.log = open(self.folder / "log", "wb")
        arguments = ["serve", "--port", str(self.port), "--config", str(self.folder / "config")]
        self.process = subprocess.Popen([program, *arguments], stdout=self.log, stderr=self.log)
        self.wait()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def wait(self):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and self.process.poll() is None:
            try:
                urllib.request.urlopen(self.url("/readyz"), timeout=1).read()
                return
            except OSError:
                time.sleep(0.05)
        stop(self.process)
        raise RuntimeError("the service did not start:\n" + self.told())

    def told(self):
        """The end of its log."""
        self.log.flush()
        return (self.folder / "log").read_text("utf-8", "replace")[-4000:]

    def stop(self):
        stop(self.process)
        self.log.close()
        shutil.rmtree(self.folder)
