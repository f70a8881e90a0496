"""litellm as a client of an OpenAI-compatible server."""

import asyncio
import os

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import litellm  # noqa: E402 - the variable has to be there before it looks for prices elsewhere

import openai_python  # noqa: E402
from cases import equal, raises  # noqa: E402
from service import UPSTREAM_TEXT  # noqa: E402

NAME = "litellm"
PACKAGE = "litellm"


def run(cases, world):
    litellm.suppress_debug_info = True
    litellm.telemetry = False
    there = {"api_base": world.anima.url("/v1"), "api_key": "none", "num_retries": 0, "max_retries": 0}
    ask = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "你好"}], **there}
    world.upstream.plan()

    def whole():
        answer = litellm.completion(**ask)
        equal(answer.choices[0].message.content, UPSTREAM_TEXT)
        equal(answer.usage.completion_tokens, 6)

    def stream():
        chunks = litellm.completion(**ask, stream=True)
        equal("".join(c.choices[0].delta.content or "" for c in chunks), UPSTREAM_TEXT)

    def asynchronous():
        equal(asyncio.run(litellm.acompletion(**ask)).choices[0].message.content, UPSTREAM_TEXT)

    def extra():
        litellm.completion(**ask, top_k=20, repetition_penalty=1.1)
        body = world.upstream.last()["body"]
        equal((body["top_k"], body["repetition_penalty"]), (20, 1.1))

    def tools():
        world.upstream.plan(choices=openai_python.CALLED)
        answer = litellm.completion(**ask, tools=[openai_python.WEATHER])
        equal(answer.choices[0].message.tool_calls[0].function.arguments, '{"city":"北京"}')
        world.upstream.plan()

    def texts():
        answer = litellm.text_completion(model="text-completion-openai/playbook", prompt="原话", **there)
        equal(answer.choices[0].text, "原话")

    def vectors():
        answer = litellm.embedding(model="openai/text-embedding-3-small", input=["a"], **there)
        equal(answer.data[0]["embedding"], [1, 97, 0.5])

    def failing(fault, kind, model):
        world.upstream.plan(fault)
        raises(kind, lambda: litellm.completion(**{**ask, "model": model}))
        world.upstream.plan()

    def no_model():
        raises(litellm.NotFoundError, lambda: litellm.completion(**{**ask, "model": "openai/nobody"}))

    for attempt in [whole, stream, asynchronous, extra, tools, texts, vectors, no_model]:
        cases.case(attempt.__name__, attempt)
    cases.case("429", failing, "status-429-after-3", litellm.RateLimitError, "openai/limited")
    cases.case("503", failing, "status-500", litellm.ServiceUnavailableError, "openai/gpt-4o-mini")
