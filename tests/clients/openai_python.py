"""openai-python: chat, streams, tools, log probabilities, texts, vectors, errors; synchronous and not."""

import asyncio
import base64
import struct

import openai

from cases import equal, raises, within
from service import KEY, PLAYBOOK_TEXT, UPSTREAM_TEXT

NAME = "openai-python"
PACKAGE = "openai"

ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "如何应对压力"}]}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
CALLED = [
    {"index": 0, "delta": {"role": "assistant", "tool_calls": [CALL]}, "finish_reason": None},
    {"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]}, "finish_reason": None},
    {"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": '"北京"}'}}]}, "finish_reason": None},
    {"index": 0, "delta": {}, "finish_reason": "tool_calls"},
]
TOLD = [
    {
        "index": 0,
        "delta": {"content": "好"},
        "logprobs": {"content": [{"token": "好", "logprob": -0.25, "bytes": [229, 165, 189], "top_logprobs": []}]},
        "finish_reason": None,
    },
    {"index": 0, "delta": {}, "finish_reason": "stop"},
]


def text_of(chunks):
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def run(cases, world):
    client = openai.OpenAI(base_url=world.anima.url("/v1"), api_key="none", max_retries=0, timeout=20)
    world.upstream.plan()
    answers(cases, world, client)
    tools(cases, world, client)
    others(cases, client)
    errors(cases, world, client)
    keys(cases, world)
    asyncio.run(asynchronous(cases, world))


def answers(cases, world, client):
    create = client.chat.completions.create

    def whole():
        answer = create(**ASK)
        equal(answer.choices[0].message.content, UPSTREAM_TEXT)
        equal((answer.choices[0].finish_reason, answer.model), ("stop", "upstream"))
        equal(answer.usage.completion_tokens, 6)

    def persona():
        asked = [{"role": "user", "content": "你叫什么"}]
        answer = create(model="companion", messages=asked, extra_body={"provider": "playbook"})
        equal(answer.model, "companion")
        assert answer.choices[0].message.content

    def stream():
        chunks = list(create(**ASK, stream=True, stream_options={"include_usage": True}))
        equal(text_of(chunks), UPSTREAM_TEXT)
        equal(len({chunk.id for chunk in chunks}), 1)
        equal([c.choices[0].finish_reason for c in chunks if c.choices][-1], "stop")
        equal((chunks[-1].choices, chunks[-1].usage.completion_tokens), ([], 6))

    def tags_as_they_are():
        asked = [{"role": "user", "content": "你叫什么"}]
        answer = create(model="playbook", messages=asked)
        equal(answer.choices[0].message.content, "[joy]" + PLAYBOOK_TEXT)

    def helper():
        with client.chat.completions.stream(**ASK) as events:
            equal(events.get_final_completion().choices[0].message.content, UPSTREAM_TEXT)

    def several():
        answer = create(**ASK, n=3)
        equal([choice.index for choice in answer.choices], [0, 1, 2])

    def parameters():
        create(**ASK, temperature=0.5, top_p=0.9, max_completion_tokens=7, stop=["。"], extra_body={"top_k": 20})
        body = world.upstream.last()["body"]
        equal((body["temperature"], body["top_p"], body["max_tokens"], body["top_k"]), (0.5, 0.9, 7, 20))
        equal(body["stop"], ["。"])

    def raw():
        answer = client.chat.completions.with_raw_response.create(**ASK)
        equal(answer.parse().choices[0].message.content, UPSTREAM_TEXT)

    def reasoning():
        world.upstream.plan("thinking")
        delta = [c.choices[0].delta for c in create(**ASK, stream=True) if c.choices]
        equal("".join(getattr(d, "reasoning_content", None) or "" for d in delta), "让我想想")
        equal("".join(d.content or "" for d in delta), UPSTREAM_TEXT)
        world.upstream.plan()

    def closed_early():
        with create(**ASK, stream=True) as chunks:
            next(iter(chunks))
        whole()

    for attempt in [whole, persona, stream, tags_as_they_are, helper, several, parameters, raw, reasoning, closed_early]:
        cases.case(attempt.__name__, attempt)


def tools(cases, world, client):
    create = client.chat.completions.create

    def calls_whole():
        world.upstream.plan(choices=CALLED)
        choice = create(**ASK, tools=[WEATHER], tool_choice="auto").choices[0]
        call = choice.message.tool_calls[0]
        equal((choice.finish_reason, call.id, call.function.name), ("tool_calls", "call_1", "weather"))
        equal(call.function.arguments, '{"city":"北京"}')
        equal(world.upstream.last()["body"]["tools"], [WEATHER])

    def calls_streamed():
        world.upstream.plan(choices=CALLED)
        with client.chat.completions.stream(**ASK, tools=[WEATHER]) as events:
            call = events.get_final_completion().choices[0].message.tool_calls[0]
        equal((call.function.name, call.function.arguments), ("weather", '{"city":"北京"}'))

    def result():
        world.upstream.plan()
        call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
        said = [
            *ASK["messages"],
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "晴"},
        ]
        answer = create(model="gpt-4o-mini", messages=said, tools=[WEATHER])
        equal(answer.choices[0].message.content, UPSTREAM_TEXT)
        equal(world.upstream.last()["body"]["messages"][-1]["tool_call_id"], "call_1")

    def log_probabilities():
        world.upstream.plan(choices=TOLD)
        token = create(**ASK, logprobs=True, top_logprobs=0).choices[0].logprobs.content[0]
        equal((token.token, token.logprob), ("好", -0.25))

    def structured():
        world.upstream.plan(pieces=['{"name":', '"灵犀"}'])
        schema = {"name": "who", "schema": {"type": "object", "properties": {"name": {"type": "string"}}}}
        answer = create(**ASK, response_format={"type": "json_schema", "json_schema": schema})
        equal(answer.choices[0].message.content, '{"name":"灵犀"}')

    for attempt in [calls_whole, calls_streamed, result, log_probabilities, structured]:
        cases.case(attempt.__name__, attempt)
    world.upstream.plan()


def others(cases, client):
    def models():
        names = [model.id for model in client.models.list()]
        within("upstream", names)
        within("companion", names)
        equal(client.models.retrieve("gpt-4o-mini").object, "model")

    def texts():
        answer = client.completions.create(model="playbook", prompt="原话")
        equal(answer.choices[0].text, "原话")
        chunks = list(client.completions.create(model="playbook", prompt="原话", stream=True))
        equal("".join(chunk.choices[0].text for chunk in chunks if chunk.choices), "原话")

    def vectors():
        answer = client.embeddings.create(model="text-embedding-3-small", input=["你好", "a"])
        equal([entry.embedding for entry in answer.data], [[6, 228, 0.5], [1, 97, 0.5]])
        one = client.embeddings.create(model="text-embedding-3-small", input="a", encoding_format="float")
        equal(one.data[0].embedding, [1, 97, 0.5])
        packed = client.embeddings.create(model="text-embedding-3-small", input="a", encoding_format="base64")
        equal(struct.unpack("<3f", base64.b64decode(packed.data[0].embedding)), (1, 97, 0.5))

    for attempt in [models, texts, vectors]:
        cases.case(attempt.__name__, attempt)


def errors(cases, world, client):
    create = client.chat.completions.create

    def stream():
        return list(create(**ASK, stream=True))

    def no_model():
        return create(model="nobody", messages=ASK["messages"])

    def wrong_value():
        return create(**ASK, temperature=9)

    cases.case("404", lambda: raises(openai.NotFoundError, no_model, code="model_not_found"))
    cases.case("400", lambda: raises(openai.BadRequestError, wrong_value, code="invalid_value", param="temperature"))
    for fault, kind, code in [
        ("status-401", openai.InternalServerError, "provider_auth"),
        ("status-500", openai.InternalServerError, "provider_unavailable"),
        ("reset-0", openai.InternalServerError, "provider_unavailable"),
        ("blocked", openai.BadRequestError, "content_filter"),
    ]:
        world.upstream.plan(fault)
        cases.case(fault, lambda kind=kind, code=code: raises(kind, lambda: create(**ASK), code=code))
        cases.case(f"{fault}, streamed", lambda kind=kind, code=code: raises(kind, stream, code=code))
    world.upstream.plan("error-2")
    cases.case("a failure within a stream", lambda: raises(openai.APIError, stream))

    def retried():
        world.upstream.plan("status-500", times=1)
        again = client.with_options(max_retries=2)
        equal(again.chat.completions.create(**ASK).choices[0].message.content, UPSTREAM_TEXT)

    def wait_is_told():
        world.upstream.plan("status-429-after-3")
        limited = {**ASK, "model": "limited"}
        error = raises(openai.RateLimitError, lambda: create(**limited), code="overloaded")
        within(error.response.headers["retry-after"], ["2", "3"])
        raises(openai.RateLimitError, lambda: create(**limited, stream=True), code="overloaded")
        world.upstream.plan()

    def timeout():
        hasty = client.with_options(timeout=0.5)
        asked = [{"role": "user", "content": "慢"}]
        raises(openai.APITimeoutError, lambda: hasty.chat.completions.create(model="playbook", messages=asked))

    def wrong_path():
        raises(openai.NotFoundError, lambda: client.post("/nothing", body={}, cast_to=object))

    def wrong_method():
        error = raises(openai.APIStatusError, lambda: client.get("/chat/completions", cast_to=object))
        equal(error.status_code, 405)

    for attempt in [retried, wait_is_told, timeout, wrong_path, wrong_method]:
        cases.case(attempt.__name__, attempt)
    world.upstream.plan()


def keys(cases, world):
    def with_key(key):
        return openai.OpenAI(base_url=world.locked.url("/v1"), api_key=key, max_retries=0)

    def right():
        equal(with_key(KEY).chat.completions.create(**ASK).choices[0].message.content, UPSTREAM_TEXT)

    def wrong():
        raises(openai.AuthenticationError, lambda: with_key("wrong").chat.completions.create(**ASK))

    cases.case("the right key", right)
    cases.case("a wrong key", wrong)


async def asynchronous(cases, world):
    client = openai.AsyncOpenAI(base_url=world.anima.url("/v1"), api_key="none", max_retries=0)

    async def whole():
        return (await client.chat.completions.create(**ASK)).choices[0].message.content

    async def streamed():
        return text_of([c async for c in await client.chat.completions.create(**ASK, stream=True)])

    async def many():
        return await asyncio.gather(*[whole() for _ in range(20)], *[streamed() for _ in range(20)])

    for name, attempt, expected in [
        ("async", whole, UPSTREAM_TEXT),
        ("async, streamed", streamed, UPSTREAM_TEXT),
        ("async, forty at once", many, [UPSTREAM_TEXT] * 40),
    ]:
        try:
            got = await attempt()
        except Exception as error:  # noqa: BLE001 - the case below tells it
            got = error
        cases.case(name, equal, got, expected)
