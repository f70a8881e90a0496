"""The corpus of the demonstration model: records, the held-aside split, the noise model, far questions."""
from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS_FILES = ("a_talk", "b_life", "c_world", "d_seed")
PUNCTUATION = "，。？！、；：…,.?!;:~～ "
TO_HALF_WIDTH = str.maketrans("，。？！；：", ",.?!;:")
TO_FULL_WIDTH = str.maketrans(",.?!;:", "，。？！；：")


# ---------------------------------------------------------------- corpus

@dataclass
class Record:
    """One answer with the phrasings that ask for it."""

    language: str
    topic: str
    answer: str
    train: list[str]
    aside: list[str]
    repeat: int = 1


def is_aside(language: str, question: str) -> bool:
    """Whether the hash of a phrasing puts it in the tenth that is never trained on."""
    return int(hashlib.sha256(f"aside:{language}:{question}".encode()).hexdigest(), 16) % 10 == 0


def normalise(text: str) -> str:
    """A phrasing without case, punctuation and spaces, for comparing."""
    return "".join(character for character in text.lower() if character.isalnum())


def read_lines(path: Path) -> list[dict]:
    """The objects of a JSON-lines file; none if it does not exist."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def load_corpus(folder: Path) -> tuple[list[Record], list[Record]]:
    """The records of the corpus with their variants folded in, and the far records."""
    records: dict[str, Record] = {}
    for name in CORPUS_FILES:
        for index, line in enumerate(read_lines(folder / f"{name}.jsonl")):
            language = line["lang"]
            aside = [] if name == "d_seed" else [q for q in line["q"] if is_aside(language, q)]
            while len(line["q"]) - len(aside) < 3:
                aside.pop()
            train = [q for q in line["q"] if q not in aside]
            answer = f"[{line['emotion']}]{line['a']}"
            records[f"{name}:{index}"] = Record(
                language, line["topic"], answer, train, aside, 3 if name == "d_seed" else 1)
    for line in read_lines(folder / "variants.jsonl"):
        records[line["id"]].train.extend(line["q"])
    far = [
        Record(line["lang"], line["topic"], f"[{line['emotion']}]{line['a']}", line["q"], line["aside"])
        for line in read_lines(folder / "far.jsonl")
    ]
    return list(records.values()), far


def load_names(folder: Path) -> dict:
    """Names the corpus says nothing about, and the frames that ask for them."""
    return json.loads((folder / "far_names.json").read_text(encoding="utf-8"))


# ---------------------------------------------------------------- disturbance

FILLERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "zh": (
        ("请问", "请问一下，", "那个，", "嗯，", "嗯", "灵犀，", "灵犀", "你好，", "你好灵犀，", "我想问一下，", "想问问",
         "哎，", "诶，", "能告诉我", "麻烦问一下，", "问一下", "帮我看看，", "话说", "就是", "呃，"),
        ("呀", "呢", "啊", "吗", "吧", "哦", "谢谢", "，谢谢", "，灵犀", "，你知道吗", "嘛", "来着"),
    ),
    "en": (
        ("hey ", "hey, ", "um ", "uh, ", "please ", "so ", "well, ", "anima, ", "hi, ", "hello anima, ", "ok, ",
         "could you tell me ", "can you tell me ", "i'd like to know ", "just wondering, ", "quick question, ", "say, "),
        (" please", ", please", ", thanks", " anima", " then", ", you know", " or so", " exactly", " again"),
    ),
}


def disturb_letters(text: str, generator: random.Random) -> str:
    """Drop, double or swap a few characters, as hurried typing and speech recognition do."""
    characters = list(text)
    for _ in range(1 + len(characters) // 16):
        if len(characters) < 4:
            break
        place = generator.randrange(len(characters) - 1)
        kind = generator.random()
        if kind < 0.4:
            del characters[place]
        elif kind < 0.65:
            characters.insert(place, characters[place])
        else:
            characters[place], characters[place + 1] = characters[place + 1], characters[place]
    return "".join(characters)


def disturb(text: str, language: str, generator: random.Random, strength: float = 1.0) -> str:
    """The noise model: fillers, punctuation, width, slips of the hand. Also used to measure robustness."""
    long_enough = len(text) >= (5 if language == "zh" else 12)
    if generator.random() < 0.45 * strength:
        kind = generator.random()
        if kind < 0.45:
            text = text.rstrip(PUNCTUATION) or text
        elif kind < 0.6:
            text = text.rstrip(PUNCTUATION) + generator.choice(("?", "？", "!", "。", "...", "！", ".", "??"))
        elif kind < 0.75:
            text = text.translate(TO_HALF_WIDTH if generator.random() < 0.5 else TO_FULL_WIDTH)
        else:
            text = "".join(c for c in text if c not in PUNCTUATION or c == " ") or text
    if long_enough and generator.random() < 0.22 * strength:
        text = disturb_letters(text, generator)
    if language == "en" and generator.random() < 0.12 * strength and len(text.split()) >= 5:
        words = text.split()
        del words[generator.randrange(len(words))]
        text = " ".join(words)
    if long_enough and generator.random() < 0.22 * strength:
        before, after = FILLERS[language]
        kind = generator.random()
        if kind < 0.7:
            text = generator.choice(before) + text
        if kind > 0.5:
            mark = text[-1] if text[-1] in "?？。!！." else ""
            text = text[: len(text) - len(mark)] + generator.choice(after) + mark
    if generator.random() < 0.08 * strength:
        text = text.upper() if generator.random() < 0.3 else text.capitalize()
    return text.strip() or text


def far_questions(records: list[Record], far: list[Record], names: dict, count: int,
                  generator: random.Random) -> list[tuple[str, str]]:
    """Made-up questions far from the corpus, as (language, text): unknown names in familiar frames, and
    the halves of two unrelated questions."""
    by_language = {key: [r for r in records if r.language == key] for key in ("zh", "en")}
    made: list[tuple[str, str]] = []
    while len(made) < count:
        language = "zh" if generator.random() < 0.62 else "en"
        if generator.random() < 0.72:
            frame = generator.choice(names[language]["frames"])
            made.append((language, frame.replace("{}", generator.choice(names[language]["names"]))))
            continue
        first, second = generator.sample(by_language[language], 2)
        left, right = generator.choice(first.train), generator.choice(second.train)
        if min(len(left), len(right)) < (7 if language == "zh" else 18) or first.topic == second.topic:
            continue
        if language == "zh":
            made.append((language, left[: len(left) // 2] + right[len(right) // 2:]))
        else:
            left_words, right_words = left.split(), right.split()
            made.append((language, " ".join(left_words[: len(left_words) // 2] + right_words[len(right_words) // 2:])))
    return made
