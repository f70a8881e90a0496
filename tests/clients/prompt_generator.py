"""The generator of texts on `/generate`, as a page and a script call it."""

import requests

from cases import equal

NAME = "the prompt generator's calls"
PACKAGE = "requests"


def run(cases, world):
    there = world.anima.url("/generate")

    def generated():
        body = {"context": "从前有座山，", "maxlength": 50, "samples": 3}
        answer = requests.post(there, json=body, timeout=20).json()
        equal((len(answer["result"]), type(answer["time"])), (3, float))
        assert all(text.startswith("从前有座山，") and len(text) > 6 for text in answer["result"]), answer

    def blank():
        answer = requests.post(there, json={"context": " ", "maxlength": 50, "samples": 1}, timeout=20)
        equal(answer.json(), {"result": "[]", "time": 0})

    def page():
        origin = "http://localhost:8080"
        asks = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        before = requests.options(there, headers=asks, timeout=20)
        equal((before.status_code, before.headers["access-control-allow-origin"]), (200, origin))
        equal(before.headers["access-control-allow-credentials"], "true")
        body = {"context": "从前", "maxlength": 5, "samples": 1}
        answer = requests.post(there, json=body, headers={"Origin": origin}, timeout=20)
        equal(answer.headers["access-control-allow-origin"], origin)

    for attempt in [generated, blank, page]:
        cases.case(attempt.__name__, attempt)
