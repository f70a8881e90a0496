"""Tries Anima with the clients that people have, and prints what became of it: `make test-clients`.

Each client is a module beside this one, with a NAME, a PACKAGE (whose version is told) and `run(cases, world)`.
"""

import argparse
import sys
import time
import urllib.error
import urllib.request
from importlib.metadata import version
from pathlib import Path

import trustme

import fuzz
import langchain
import linly
import litellm_client
import llm_cli
import openai_node
import openai_python
import openai_realtime
import prompt_generator
import vllm
from cases import Cases
from service import KEY, Anima, Upstream, free_port

CLIENTS = [
    openai_python, openai_realtime, openai_node, langchain, litellm_client, llm_cli, linly, vllm, prompt_generator, fuzz,
]  # fmt: skip

LOCKED = """
[keys.tests]
key_file = "key"
"""


class World:
    """Everything that clients are tried on."""

    def __init__(self, arguments):
        self.modules = arguments.modules
        self.running = []
        try:
            self.upstream = self.keep(Upstream(arguments.upstream))
            self.anima = self.keep(secured(arguments.anima, self.upstream))
            self.locked = self.keep(Anima(arguments.anima, self.upstream, LOCKED, {"key": KEY.encode()}))
        except BaseException:
            self.stop()
            raise

    def keep(self, program):
        self.running.append(program)
        return program

    def stop(self):
        for program in reversed(self.running):
            program.stop()


def secured(program, upstream):
    """A service that listens for TLS as well, with a certificate of an authority of the tests' own."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    port = free_port()
    settings = f"""
[server.tls]
listen = ["127.0.0.1:{port}"]
certificate_file = "certificate.pem"
key_file = "key.pem"
"""
    files = {
        "authority.pem": authority.cert_pem.bytes(),
        "certificate.pem": b"".join(part.bytes() for part in certificate.cert_chain_pems),
        "key.pem": certificate.private_key_pem.bytes(),
    }
    anima = Anima(program, upstream, settings, files)
    anima.tls_url = lambda path: f"https://localhost:{port}{path}"
    return anima


def has_document(anima):
    try:
        return urllib.request.urlopen(anima.url("/openapi.json")).status == 200
    except urllib.error.HTTPError:
        return False


def try_one(client, world):
    told = client.version(world.modules) if client is openai_node else version(client.PACKAGE)
    if client.PACKAGE == "requests":
        told = f"requests {told}"
    cases, begun = Cases(client.NAME, told), time.monotonic()
    if client is fuzz and not has_document(world.anima):
        cases.count("document", 0, ["there is no /openapi.json"])
    else:
        client.run(cases, world)
    return cases, time.monotonic() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anima", required=True, help="the program anima")
    parser.add_argument("--upstream", required=True, help="the program anima-upstream")
    parser.add_argument("--modules", required=True, type=Path, help="the folder node_modules")
    parser.add_argument("--only", default="", help="only clients whose name has this in it")
    arguments = parser.parse_args()
    world = World(arguments)
    try:
        chosen = [client for client in CLIENTS if arguments.only in client.NAME]
        results = [try_one(client, world) for client in chosen]
    finally:
        world.stop()
    for cases, _ in results:
        for failure in cases.failures:
            print(f"FAILED {failure}")
    print(f"{'client':<30}{'version':<18}{'passed':>8}{'failed':>8}{'seconds':>9}")
    for cases, seconds in results:
        print(f"{cases.client:<30}{cases.version:<18}{cases.passed:>8}{len(cases.failures):>8}{seconds:>9.1f}")
    sys.exit(1 if any(cases.failures for cases, _ in results) else 0)


if __name__ == "__main__":
    main()
