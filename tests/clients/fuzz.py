"""schemathesis on `/openapi.json`: whatever it thinks of, no server error, and no answer that the document does not have."""

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

NAME = "schemathesis"
PACKAGE = "schemathesis"

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"

# What operators do, which would change the service under test, and what becomes a WebSocket.
LEFT_OUT = "^/(admin|ws|v1/realtime|client-ws)"


def run(cases, world):
    wanted = int(os.environ.get("CASES", "2000"))
    document = json.load(urllib.request.urlopen(world.anima.url("/openapi.json")))
    tried = [methods for path, methods in document["paths"].items() if not re.match(LEFT_OUT, path)]
    operations = sum(method in ("get", "post", "put", "patch", "delete") for methods in tried for method in methods)
    # Operations without parameters have few different cases, so the others get more.
    with tempfile.TemporaryDirectory(prefix="anima-fuzz-") as folder:
        settings = Path(folder) / "schemathesis.toml"
        settings.write_text(f"[phases.fuzzing]\nenabled = true\n\n[generation]\nmax-examples = {-(-wanted * 3 // (2 * operations))}\n")
        command = [
            Path(sys.executable).parent / "schemathesis", "--config-file", settings, "run", world.anima.url("/openapi.json"),
            "--url", world.anima.url(""), "--checks", CHECKS, "--phases", "examples,fuzzing", "--mode", "all",
            "--exclude-path-regex", LEFT_OUT, "--seed", "1", "--suppress-health-check", "all",
            "--request-timeout", "30", "--workers", "2",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=folder)
    told = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    counts = re.search(r"(\d+) generated(?:, (\d+) found)?", told)
    made = int(counts[1]) if counts else 0
    failed = done.returncode != 0 or made < wanted
    cases.count("run", made, [told[-6000:]] if failed else [])
