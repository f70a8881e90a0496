"""langchain-openai: the chat model, its streams, tools and structured output, and the vectors."""

import asyncio

import openai
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

import openai_python
from cases import equal
from service import UPSTREAM_TEXT

NAME = "langchain-openai"
PACKAGE = "langchain-openai"


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"{city}晴"


def run(cases, world):
    there = {"base_url": world.anima.url("/v1"), "api_key": "none", "max_retries": 0}
    model = ChatOpenAI(model="gpt-4o-mini", **there)
    world.upstream.plan()

    def invoke():
        answer = model.invoke([SystemMessage("简短"), HumanMessage("你好")])
        equal((answer.content, answer.response_metadata["finish_reason"]), (UPSTREAM_TEXT, "stop"))
        roles = [message["role"] for message in world.upstream.last()["body"]["messages"]]
        equal(roles, ["system", "user"])

    def stream():
        equal("".join(chunk.content for chunk in model.stream("你好")), UPSTREAM_TEXT)

    def usage():
        equal(model.invoke("你好").usage_metadata["output_tokens"], 6)

    def batch():
        equal([answer.content for answer in model.batch(["a", "b", "c"])], [UPSTREAM_TEXT] * 3)

    def asynchronous():
        equal(asyncio.run(model.ainvoke("你好")).content, UPSTREAM_TEXT)

    def tools():
        world.upstream.plan(choices=openai_python.CALLED)
        bound = model.bind_tools([weather])
        answer = bound.invoke("北京天气如何")
        call = answer.tool_calls[0]
        equal((call["name"], call["args"]), ("weather", {"city": "北京"}))
        world.upstream.plan()
        result = ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])
        equal(bound.invoke([HumanMessage("北京天气如何"), answer, result]).content, UPSTREAM_TEXT)

    def structured():
        world.upstream.plan(pieces=['{"name": "灵犀"}'])
        schema = {"title": "who", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
        form = model.with_structured_output(schema, method="json_schema")
        equal(form.invoke("你叫什么"), {"name": "灵犀"})
        world.upstream.plan()

    def vectors():
        maker = OpenAIEmbeddings(model="text-embedding-3-small", check_embedding_ctx_length=False, **there)
        equal(maker.embed_query("a"), [1, 97, 0.5])
        equal(maker.embed_documents(["a", "bc"]), [[1, 97, 0.5], [2, 98, 0.5]])

    def error():
        try:
            ChatOpenAI(model="nobody", **there).invoke("你好")
        except openai.NotFoundError as told:  # or a class of its own below that
            equal(told.code, "model_not_found")
        else:
            raise AssertionError("no error")

    for attempt in [invoke, stream, usage, batch, asynchronous, tools, structured, vectors, error]:
        cases.case(attempt.__name__, attempt)
