"""The command `llm`, told of Anima by its `extra-openai-models.yaml`."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cases import equal, within
from service import UPSTREAM_TEXT

NAME = "llm"
PACKAGE = "llm"

MODELS = """
- model_id: anima
  model_name: gpt-4o-mini
  api_base: "{url}"
  supports_tools: true
- model_id: anima-missing
  model_name: nobody
  api_base: "{url}"
"""


def run(cases, world):
    world.upstream.plan()
    with tempfile.TemporaryDirectory(prefix="anima-llm-") as folder:
        (Path(folder) / "extra-openai-models.yaml").write_text(MODELS.format(url=world.anima.url("/v1")))
        environment = {**os.environ, "LLM_USER_PATH": folder, "OPENAI_API_KEY": "none", "PYTHONIOENCODING": "utf-8"}

        def call(*arguments):
            command = [Path(sys.executable).parent / "llm", *arguments]
            return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, encoding="utf-8")

        def answered(*arguments):
            done = call(*arguments)
            equal((done.stdout.strip(), done.returncode), (UPSTREAM_TEXT, 0))

        def continued():
            answered("-c", "还有呢")
            roles = [message["role"] for message in world.upstream.last()["body"]["messages"]]
            equal(roles, ["user", "assistant", "user"])

        def refused():
            done = call("-m", "anima-missing", "你好")
            assert done.returncode != 0
            within("nobody", done.stderr)

        cases.case("streamed", answered, "-m", "anima", "你好")
        cases.case("continued", continued)
        cases.case("whole", answered, "-m", "anima", "--no-stream", "你好")
        cases.case("with a system text", answered, "-m", "anima", "-s", "简短", "-o", "temperature", "0.2", "你好")
        cases.case("an unknown model", refused)
