#!/usr/bin/env python3
"""Measures turns of a running Anima with the bundled model, through its public door.

Starts the service on a free port with an empty store, asks every question of a corpus file once in a
session of its own and twice in a conversation, and prints a table. Needs nothing but Python 3.

    python3 tests/bench/turns.py --anima target/release/anima
"""

import argparse
import http.client
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def start(anima: str, data: str) -> tuple[subprocess.Popen, int, float]:
    """Starts the service; gives the process, its port, and the seconds until it listened."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [anima, "serve", "--port", "0", "--config", str(ROOT / "config"), "--data", data],
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if "listens on" in line:
            return process, int(line.rsplit(":", 1)[1]), time.perf_counter() - began
    raise SystemExit("the service did not start")


def call(connection: http.client.HTTPConnection, method: str, path: str, body: dict) -> dict:
    """One JSON request."""
    connection.request(method, path, json.dumps(body), {"content-type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    if "error" in answer:
        raise SystemExit(f"{path}: {answer['error']['message']}")
    return answer


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--anima", default=str(ROOT / "target/release/anima"))
    parser.add_argument("--corpus", default=str(ROOT / "models/demo/corpus/d_seed.jsonl"))
    arguments = parser.parse_args()
    records = [json.loads(line) for line in open(arguments.corpus, encoding="utf-8")]
    with tempfile.TemporaryDirectory() as data:
        process, port, seconds = start(arguments.anima, data)
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            rows: dict[str, list[float]] = {}
            right = asked = 0
            for record in records:
                session = call(connection, "POST", "/v1/sessions", {})["id"]
                for number, question in enumerate(record["q"][:3]):
                    began = time.perf_counter()
                    turn = call(connection, "POST", f"/v1/sessions/{session}/turns", {"text": question})
                    whole = (time.perf_counter() - began) * 1000
                    asked += 1
                    right += turn["text"].strip() == record["a"]
                    timing, usage = turn["timing"], turn["usage"]
                    kind = "first turn" if number == 0 else "later turns"
                    rows.setdefault(f"{kind}: first token, ms", []).append(timing["first_token_ms"])
                    rows.setdefault(f"{kind}: first sentence, ms", []).append(timing["first_sentence_ms"])
                    rows.setdefault(f"{kind}: whole answer, ms", []).append(timing["total_ms"])
                    rows.setdefault(f"{kind}: as the client sees it, ms", []).append(whole)
                    spent = max(1, timing["total_ms"] - timing["queued_ms"]) / 1000
                    rows.setdefault(f"{kind}: tokens per second", []).append(usage["completion_tokens"] / spent)
        finally:
            process.terminate()
            process.wait()
    print(f"start to listening: {seconds:.2f} s; answers equal to the corpus: {right} of {asked}\n")
    print(f"{'':44}{'median':>10}{'p95':>10}")
    for name, values in rows.items():
        print(f"{name:44}{statistics.median(values):10.1f}{percentile(values, 0.95):10.1f}")


if __name__ == "__main__":
    main()
