"""openai-python's Realtime client, with its own models of every event as the judge."""

import openai
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from cases import equal, within
from service import KEY, UPSTREAM_TEXT

NAME = "openai-python, Realtime"
PACKAGE = "openai"

JUDGE = TypeAdapter(RealtimeServerEvent)


def say(connection, text):
    connection.conversation.item.create(
        item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    )
    connection.response.create()


def until(connection, kind):
    """All events to the first of this kind, each of them as the library's own models want it."""
    events = []
    while not events or events[-1].type != kind:
        raw = connection.recv_bytes()
        JUDGE.validate_json(raw)
        events.append(connection.parse_event(raw))
    return events


def run(cases, world):
    client = openai.OpenAI(base_url=world.anima.url("/v1"), api_key="none")
    world.upstream.plan()

    def greeted():
        with client.realtime.connect(model="gpt-realtime") as connection:
            event = until(connection, "session.created")[-1]
            equal(event.session.output_modalities, ["text"])

    def changed():
        with client.realtime.connect(model="gpt-realtime") as connection:
            connection.session.update(session={"type": "realtime", "output_modalities": ["text"], "instructions": "简短"})
            equal(until(connection, "session.updated")[-1].session.instructions, "简短")

    def answered():
        with client.realtime.connect(model="gpt-realtime") as connection:
            say(connection, "你好")
            events = until(connection, "response.done")
            deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
            equal("".join(deltas), UPSTREAM_TEXT)
            response = events[-1].response
            equal((response.status, response.output[0].content[0].text), ("completed", UPSTREAM_TEXT))
            equal(len({event.event_id for event in events}), len(events))

    def remembered():
        with client.realtime.connect(model="gpt-realtime") as connection:
            for _ in range(2):
                say(connection, "你好")
                until(connection, "response.done")
        roles = [message["role"] for message in world.upstream.last()["body"]["messages"]]
        equal(roles, ["user", "assistant", "user"])

    def cancelled():
        world.upstream.plan("stall-2")
        with client.realtime.connect(model="gpt-realtime") as connection:
            say(connection, "你好")
            until(connection, "response.output_text.delta")
            connection.response.cancel()
            equal(until(connection, "response.done")[-1].response.status, "cancelled")
        world.upstream.plan()

    def refused_and_open():
        with client.realtime.connect(model="gpt-realtime") as connection:
            connection.response.cancel()
            equal(until(connection, "error")[-1].error.code, "response_cancel_not_active")
            say(connection, "你好")
            equal(until(connection, "response.done")[-1].response.status, "completed")

    def deleted():
        with client.realtime.connect(model="gpt-realtime") as connection:
            item = {"id": "mine", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}
            connection.conversation.item.create(item=item)
            connection.conversation.item.retrieve(item_id="mine")
            equal(until(connection, "conversation.item.retrieved")[-1].item.content[0].text, "a")
            connection.conversation.item.delete(item_id="mine")
            equal(until(connection, "conversation.item.deleted")[-1].item_id, "mine")

    def failed():
        world.upstream.plan("status-500")
        with client.realtime.connect(model="gpt-realtime") as connection:
            say(connection, "你好")
            equal(until(connection, "response.done")[-1].response.status, "failed")
        world.upstream.plan()

    def no_model():
        with client.realtime.connect(model="nobody") as connection:
            connection.recv()

    def unknown_model():
        within("404", str(raises_any(no_model)))

    def locked():
        with_key = openai.OpenAI(base_url=world.locked.url("/v1"), api_key=KEY)
        with with_key.realtime.connect(model="gpt-realtime") as connection:
            until(connection, "session.created")
        without = openai.OpenAI(base_url=world.locked.url("/v1"), api_key="wrong")

        def wrong():
            with without.realtime.connect(model="gpt-realtime") as connection:
                connection.recv()

        within("401", str(raises_any(wrong)))

    for attempt in [greeted, changed, answered, remembered, cancelled, refused_and_open, deleted, failed, unknown_model, locked]:
        cases.case(attempt.__name__, attempt)


def raises_any(attempt):
    try:
        attempt()
    except Exception as error:  # noqa: BLE001 - which class it is belongs to the library of sockets
        return error
    raise AssertionError("no error")
