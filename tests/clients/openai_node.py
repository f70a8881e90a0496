"""openai-node, which counts its cases itself: openai_node.mjs."""

import json
import os
import subprocess
from pathlib import Path

NAME = "openai-node"
PACKAGE = "openai"

HERE = Path(__file__).resolve().parent


def version(modules):
    return json.loads((modules / "openai" / "package.json").read_text())["version"]


def run(cases, world):
    environment = {
        **os.environ,
        "ANIMA_URL": world.anima.url("/v1"),
        "ANIMA_TLS_URL": world.anima.tls_url("/v1"),
        "UPSTREAM_URL": world.upstream.url(""),
        "NODE_EXTRA_CA_CERTS": str(world.anima.folder / "authority.pem"),
    }
    # Modules are looked for beside the script that imports them.
    script = world.modules.parent / "openai_node.mjs"
    script.write_text((HERE / "openai_node.mjs").read_text("utf-8"), "utf-8")
    done = subprocess.run(["node", script], env=environment, capture_output=True, text=True, timeout=120, encoding="utf-8")
    try:
        report = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        cases.count("script", 0, [done.stderr[-2000:] or "nothing was told"])
        return
    cases.count("case", report["passed"], report["failures"])
