"""Tries the stand-in for model servers (tests/upstream) with the providers' own client libraries.

What these libraries accept, raise and send is what the tests of Anima's providers rely on. Run it with
`make test-clients`.
"""

import argparse
import json
import socket
import subprocess
import sys
import time
import urllib.request

PACKAGES = ["openai", "google-genai", "zai-sdk"]
TEXT = "慢慢呼吸几次，把大事拆成小步。再找人聊聊。"
KEY = "account.key-of-the-tests"


class Upstream:
    """A running stand-in."""

    def __init__(self, program):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = "127.0.0.1:%d" % probe.getsockname()[1]
        self.process = subprocess.Popen([program, "--listen", self.address], stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def url(self, path):
        return f"http://{self.address}{path}"

    def plan(self, fault, **more):
        body = json.dumps({"fault": fault, **more}).encode()
        urllib.request.urlopen(urllib.request.Request(self.url("/control"), data=body)).read()

    def last(self):
        return json.load(urllib.request.urlopen(self.url("/control")))["recorded"][-1]


class Cases:
    """Runs what is to be tried, one after the other, and counts."""

    def __init__(self):
        self.passed, self.failed = 0, 0

    def case(self, name, attempt):
        try:
            attempt()
            self.passed += 1
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is what is to be told
            self.failed += 1
            print(f"FAILED {name}: {type(error).__name__}: {error}")


def raises(kind, attempt, **expected):
    """The error of `attempt`, which has to be of this kind and have these attributes."""
    try:
        attempt()
    except kind as error:
        for name, value in expected.items():
            assert getattr(error, name) == value, f"{name} is {getattr(error, name)!r}"
        return
    raise AssertionError(f"no {kind.__name__}")


def equal(left, right):
    assert left == right, f"{left!r} is not {right!r}"


def try_openai(upstream, cases):
    import openai

    client = openai.OpenAI(base_url=upstream.url("/v1"), api_key=KEY, max_retries=0, timeout=10)
    ask = {"model": "stand-in", "messages": [{"role": "user", "content": "你好"}]}

    def whole():
        answer = client.chat.completions.create(**ask)
        equal(answer.choices[0].message.content, TEXT)
        equal((answer.choices[0].finish_reason, answer.usage.completion_tokens), ("stop", 6))
        equal(dict(upstream.last()["headers"])["authorization"], f"Bearer {KEY}")

    def stream():
        chunks = list(
            client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True})
        )
        equal("".join(c.choices[0].delta.content or "" for c in chunks if c.choices), TEXT)
        equal([c.choices[0].finish_reason for c in chunks if c.choices][-1], "stop")
        equal((chunks[-1].choices, chunks[-1].usage.completion_tokens), ([], 6))
        equal(len({c.id for c in chunks}), 1)

    def text_of_stream():
        return "".join(
            c.choices[0].delta.content or ""
            for c in client.chat.completions.create(**ask, stream=True)
            if c.choices
        )

    def refusal():
        chunks = client.chat.completions.create(**ask, stream=True)
        text = "".join(c.choices[0].delta.refusal or "" for c in chunks if c.choices)
        equal(text, "I'm sorry, I can't help with that.")

    upstream.plan("none")
    cases.case("openai: whole", whole)
    cases.case("openai: stream", stream)
    cases.case("openai: models", lambda: equal([m.id for m in client.models.list()], ["stand-in"]))
    for fault in ["crlf", "split", "comments", "thinking", "no-done", "done-only"]:
        upstream.plan(fault)
        cases.case(f"openai: {fault}", lambda: equal(text_of_stream(), TEXT))
    upstream.plan("refusal")
    cases.case("openai: refusal", refusal)
    for fault, kind, code in [
        ("status-400", openai.BadRequestError, None),
        ("status-401", openai.AuthenticationError, "invalid_api_key"),
        ("status-403", openai.PermissionDeniedError, None),
        ("status-404", openai.NotFoundError, "model_not_found"),
        ("status-429-after-3", openai.RateLimitError, "rate_limit_exceeded"),
        ("status-500", openai.InternalServerError, None),
        ("blocked", openai.BadRequestError, "content_filter"),
    ]:
        upstream.plan(fault)
        cases.case(f"openai: {fault}", lambda: raises(kind, text_of_stream, code=code))
    upstream.plan("error-2")
    cases.case("openai: error-2", lambda: raises(openai.APIError, text_of_stream, type="server_error"))
    for fault in ["reset-2", "fin-2"]:
        upstream.plan(fault)
        cases.case(f"openai: {fault}", lambda: raises(Exception, text_of_stream))
    azure = openai.AzureOpenAI(
        azure_endpoint=upstream.url(""), api_key=KEY, api_version="2024-10-21", max_retries=0
    )

    def azure_whole():
        answer = azure.chat.completions.create(**{**ask, "model": "deployed"})
        equal(answer.choices[0].message.content, TEXT)
        last = upstream.last()
        equal(last["path"], "/openai/deployments/deployed/chat/completions?api-version=2024-10-21")
        equal(dict(last["headers"])["api-key"], KEY)

    upstream.plan("none")
    cases.case("openai: azure", azure_whole)


def try_responses(upstream, cases):
    import openai

    client = openai.OpenAI(base_url=upstream.url("/v1"), api_key=KEY, max_retries=0, timeout=10)
    ask = {"model": "stand-in", "instructions": "你是灵犀。", "input": "你好", "store": False}

    def events():
        return list(client.responses.create(**ask, stream=True))

    def joined(kind):
        return "".join(event.delta for event in events() if event.type == f"response.{kind}.delta")

    def whole():
        answer = client.responses.create(**ask)
        equal((answer.output_text, answer.status), (TEXT, "completed"))
        equal(answer.usage.output_tokens, 6)
        equal(upstream.last()["path"], "/v1/responses")

    def stream():
        received = events()
        equal([event.sequence_number for event in received], list(range(len(received))))
        equal((received[0].type, received[-1].type), ("response.created", "response.completed"))
        equal(received[-1].response.output_text, TEXT)
        equal(received[-1].response.usage.output_tokens, 6)

    def put_together():
        # The library's own reading of the events, which insists on their order.
        with client.responses.stream(**ask) as received:
            equal(received.get_final_response().output_text, TEXT)

    def filtered():
        last = events()[-1]
        equal((last.type, last.response.incomplete_details.reason), ("response.incomplete", "content_filter"))

    def failed():
        error, last = events()[-2:]
        equal((error.type, error.code), ("error", "server_error"))
        equal((last.type, last.response.error.code), ("response.failed", "server_error"))

    upstream.plan("none")
    cases.case("responses: whole", whole)
    cases.case("responses: stream", stream)
    cases.case("responses: put together", put_together)
    for fault in ["crlf", "split", "comments", "no-done"]:
        upstream.plan(fault)
        cases.case(f"responses: {fault}", lambda: equal(joined("output_text"), TEXT))
    upstream.plan("thinking")
    cases.case("responses: thinking", lambda: equal(joined("reasoning_summary_text"), "让我想想"))
    cases.case("responses: thinking, put together", put_together)
    upstream.plan("refusal")
    cases.case(
        "responses: refusal", lambda: equal(joined("refusal"), "I'm sorry, I can't help with that.")
    )
    upstream.plan("filtered-2")
    cases.case("responses: filtered-2", filtered)
    upstream.plan("error-2")
    cases.case("responses: error-2", failed)
    for fault, kind, code in [
        ("status-401", openai.AuthenticationError, "invalid_api_key"),
        ("status-429-after-3", openai.RateLimitError, "rate_limit_exceeded"),
        ("status-500", openai.InternalServerError, None),
        ("blocked", openai.BadRequestError, "invalid_prompt"),
    ]:
        upstream.plan(fault)
        cases.case(f"responses: {fault}", lambda: raises(kind, events, code=code))


def try_gemini(upstream, cases):
    from google import genai
    from google.genai import errors, types

    options = types.HttpOptions(base_url=upstream.url(""), api_version="v1beta")
    client = genai.Client(api_key=KEY, http_options=options)
    config = types.GenerateContentConfig(
        system_instruction="你是灵犀。",
        temperature=0,
        max_output_tokens=96,
        safety_settings=[
            types.SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="BLOCK_ONLY_HIGH")
        ],
    )
    ask = {"model": "stand-in", "contents": "你好", "config": config}

    def chunks():
        return list(client.models.generate_content_stream(**ask))

    def text():
        return "".join(chunk.text or "" for chunk in chunks())

    def whole():
        answer = client.models.generate_content(**ask)
        equal(answer.text, TEXT)
        equal((answer.candidates[0].finish_reason, answer.usage_metadata.candidates_token_count), ("STOP", 6))

    def stream():
        received = chunks()
        equal("".join(chunk.text or "" for chunk in received), TEXT)
        equal(received[-1].candidates[0].finish_reason, "STOP")
        last = upstream.last()
        equal(last["path"], "/v1beta/models/stand-in:streamGenerateContent?alt=sse")
        equal(dict(last["headers"])["x-goog-api-key"], KEY)
        equal(last["body"]["systemInstruction"]["parts"], [{"text": "你是灵犀。"}])
        equal(last["body"]["generationConfig"], {"temperature": 0, "maxOutputTokens": 96})

    def thoughts():
        parts = [p for chunk in chunks() for p in chunk.candidates[0].content.parts or []]
        equal("".join(p.text for p in parts if p.thought), "让我想想")
        equal("".join(p.text for p in parts if not p.thought), TEXT)

    upstream.plan("none")
    cases.case("gemini: whole", whole)
    cases.case("gemini: stream", stream)
    for fault in ["crlf", "split"]:
        upstream.plan(fault)
        cases.case(f"gemini: {fault}", lambda: equal(text(), TEXT))
    upstream.plan("thinking")
    cases.case("gemini: thinking", thoughts)
    upstream.plan("blocked")
    cases.case(
        "gemini: blocked", lambda: equal(chunks()[0].prompt_feedback.block_reason, "SAFETY")
    )
    upstream.plan("filtered-2")
    cases.case(
        "gemini: filtered-2", lambda: equal(chunks()[-1].candidates[0].finish_reason, "SAFETY")
    )
    for fault, kind, code, status in [
        ("status-400", errors.ClientError, 400, "INVALID_ARGUMENT"),
        ("status-401", errors.ClientError, 401, "UNAUTHENTICATED"),
        ("status-403", errors.ClientError, 403, "PERMISSION_DENIED"),
        ("status-429", errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
        ("status-503", errors.ServerError, 503, "UNAVAILABLE"),
    ]:
        upstream.plan(fault)
        cases.case(f"gemini: {fault}", lambda: raises(kind, chunks, code=code, status=status))


def try_zhipu(upstream, cases):
    import zai
    from zai.core import (
        APIAuthenticationError,
        APIInternalError,
        APIReachLimitError,
        APIRequestFailedError,
    )

    client = zai.ZhipuAiClient(base_url=upstream.url("/api/paas/v4/"), api_key=KEY, max_retries=0)
    ask = {"model": "stand-in", "messages": [{"role": "user", "content": "你好"}]}

    def chunks():
        return list(client.chat.completions.create(**ask, stream=True))

    def text():
        return "".join(c.choices[0].delta.content or "" for c in chunks() if c.choices)

    def whole():
        answer = client.chat.completions.create(**ask)
        equal(answer.choices[0].message.content, TEXT)
        equal((answer.choices[0].finish_reason, answer.usage.completion_tokens), ("stop", 6))

    def stream():
        received = chunks()
        equal("".join(c.choices[0].delta.content or "" for c in received), TEXT)
        equal((received[-1].choices[0].finish_reason, received[-1].usage.completion_tokens), ("stop", 6))

    def greedy():
        client.chat.completions.create(**ask, temperature=0, top_p=1)
        body = upstream.last()["body"]
        equal((body["do_sample"], body["temperature"], body["top_p"]), (False, 0.01, 0.99))

    upstream.plan("none")
    cases.case("zhipu: whole", whole)
    cases.case("zhipu: stream", stream)
    cases.case("zhipu: greedy", greedy)
    for fault in ["crlf", "split"]:
        upstream.plan(fault)
        cases.case(f"zhipu: {fault}", lambda: equal(text(), TEXT))
    upstream.plan("thinking")
    cases.case(
        "zhipu: thinking",
        lambda: equal(
            "".join(c.choices[0].delta.reasoning_content or "" for c in chunks()), "让我想想"
        ),
    )
    upstream.plan("filtered-2")
    cases.case(
        "zhipu: filtered-2", lambda: equal(chunks()[-1].choices[0].finish_reason, "sensitive")
    )
    for fault, kind in [
        ("status-400", APIRequestFailedError),
        ("status-401", APIAuthenticationError),
        ("status-429", APIReachLimitError),
        ("status-429-code-1113", APIReachLimitError),
        ("status-500", APIInternalError),
        ("blocked", APIRequestFailedError),
    ]:
        upstream.plan(fault)
        cases.case(f"zhipu: {fault}", lambda: raises(kind, chunks))


def main():
    from importlib.metadata import version

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", required=True, help="the program anima-upstream")
    upstream = Upstream(parser.parse_args().upstream)
    cases, begun = Cases(), time.monotonic()
    try:
        for attempt in [try_openai, try_responses, try_gemini, try_zhipu]:
            attempt(upstream, cases)
    finally:
        upstream.process.terminate()
        upstream.process.wait()
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    print(f"{cases.passed} passed, {cases.failed} failed in {time.monotonic() - begun:.1f} s ({versions})")
    sys.exit(1 if cases.failed else 0)


if __name__ == "__main__":
    main()
