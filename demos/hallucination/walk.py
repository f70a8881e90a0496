"""Asks a model that makes things up the same question under every policy of the check, and prints what
is said and what the check says of it.

    python3 demos/hallucination/walk.py --anima target/release/anima [--language en]

Needs nothing but Python 3. The service runs on a free port, in a folder that is gone afterwards.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
POLICIES = ["off", "annotate", "hedge", "rewrite", "withhold", "correct", "chat", "guide", "strict"]
QUESTIONS = {"zh": "介绍一下茶馆", "en": "Tell me about the tea house"}
PROFILE = """
[server]
port = 0
[turn]
provider = "dreamer"
persona = "annotate"
[check]
{judge}
[providers.demo]
enabled = false
[providers.dreamer]
kind = "scripted"
file = "answers.toml"
[providers.careful]
kind = "scripted"
file = "judge.toml"
"""
PERSONA = """
title = "Guide"
language = "auto"
style = "chat"
emotions = true
check = "{policy}"
[system]
zh = "你是茶馆的讲解员。"
en = "You are the guide of a tea house."
"""


def prepare(home, judge):
    """Writes what the service starts from: the shipped settings, a profile, a persona a policy."""
    (home / "config").mkdir()
    shutil.copy(ROOT / "config/base.toml", home / "config/base.toml")
    line = 'judge = "careful"' if judge else ""
    (home / "config/walk.toml").write_text(PROFILE.format(judge=line), encoding="utf-8")
    shutil.copytree(ROOT / "prompts", home / "prompts")
    for policy in POLICIES:
        persona = home / "prompts/personas" / f"{policy}.toml"
        persona.write_text(PERSONA.format(policy=policy), encoding="utf-8")
    for playbook in ["answers.toml", "judge.toml"]:
        shutil.copy(HERE / playbook, home / playbook)


def post(address, path, body):
    request = urllib.request.Request(f"http://{address}{path}", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def told(verdict):
    """A verdict in a few words."""
    words = [verdict["status"]]
    if "layer" in verdict:
        words.append(f"by {verdict['layer']}")
    words += verdict["reasons"]
    if verdict["action"] != "none":
        words.append(f"→ {verdict['action']}")
    correction = verdict.get("correction")
    if correction and not correction["proved"]:
        words.append(f"(shown, not spoken: {correction['text']})")
    return " ".join(words)


def walk(address, language):
    knowledge = (HERE / "knowledge.txt").read_text(encoding="utf-8").splitlines()
    for policy in POLICIES:
        session = post(address, "/v1/sessions", {"persona": policy})["id"]
        call = {"text": QUESTIONS[language], "knowledge": knowledge}
        answer = post(address, f"/v1/sessions/{session}/turns", call)
        verdicts = {verdict["sentence"]: verdict for verdict in answer["verdicts"]}
        print(f'check = "{policy}"')
        for sentence in answer["sentences"]:
            text = sentence["text"].strip() or "(nothing)"
            print(f"  {text}\n      {told(verdicts[sentence['index']])}")
        print()


def serve(anima, judge, language):
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        prepare(home, judge)
        command = [anima, "serve", "--config", home / "config", "--profile", "walk"]
        service = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            for line in service.stdout:
                found = re.search(r"listens on http://(\S+)", line)
                if found:
                    walk(found[1], language)
                    return
            sys.exit("the service did not start")
        finally:
            service.terminate()
            service.communicate()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--anima", default=ROOT / "target/release/anima")
    parser.add_argument("--language", choices=QUESTIONS, default="zh")
    options = parser.parse_args()
    for judge in [False, True]:
        print(f"—— {'with' if judge else 'without'} a judge ——\n")
        serve(options.anima, judge, options.language)


if __name__ == "__main__":
    main()
