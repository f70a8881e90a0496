"""The calls of Linly-Talker, as its adapters make them."""

import re

import requests

from cases import equal

NAME = "Linly-Talker's calls"
PACKAGE = "requests"


def run(cases, world):
    def api():
        # LLM/Linly.py, mode "api": nothing but the prompt, and nothing of the answer but the response.
        answer = requests.post(url=world.anima.url("/"), json={"prompt": "你叫什么"}, timeout=20)
        assert answer.json()["response"]

    def manual():
        body = {"prompt": "请问你叫什么", "history": [], "max_length": 2048, "top_p": 0.84, "temperature": 0.84}
        answer = requests.post(world.anima.url("/"), json=body, headers={"Content-Type": "application/json"}, timeout=20).json()
        equal((answer["status"], bool(answer["response"])), (200, True))
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", answer["time"]), answer["time"]

    def bare():
        answer = requests.post(world.anima.url("/"), data='{"prompt": "你好"}'.encode(), timeout=20)
        equal(answer.json()["status"], 200)

    def talker(path):
        body = {"question": "你叫什么", "model_name": "Linly", "gemini_apikey": "", "openai_apikey": "", "proxy_url": None}
        answer = requests.post(world.anima.url(path), json=body, timeout=20)
        equal((answer.status_code, list(answer.json())), (200, ["answer"]))

    def empty():
        answer = requests.post(world.anima.url("/llm_response/"), json={"question": ""}, timeout=20)
        equal((answer.status_code, answer.json()["detail"]), (400, "问题内容不能为空"))

    def changed():
        there = world.anima.url("/llm_change_model/")
        empty_keys = {"gemini_apikey": "", "openai_apikey": "", "proxy_url": ""}
        answer = requests.post(there, params={"model_name": "ChatGPT", **empty_keys}, timeout=20)
        equal(answer.json(), {"message": "ChatGPT 模型加载成功"})
        equal(requests.post(there, params={"model_name": "Linly", **empty_keys}, timeout=20).status_code, 200)

    for attempt in [api, manual, bare, empty, changed]:
        cases.case(attempt.__name__, attempt)
    for path in ["/llm_response/", "/llm_response"]:
        cases.case(path, talker, path)
