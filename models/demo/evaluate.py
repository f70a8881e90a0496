#!/usr/bin/env python3
"""Measure the exported demonstration model, reading nothing but the files of its folder.

    python evaluate.py              # every figure of the model card
    python evaluate.py --ask "如何应对压力" "who are you"

The forward pass here is written apart from `train.py`, so that the figures are those of
the stored bfloat16 weights (computed in float32) and not of the training program.
"""
from __future__ import annotations

import argparse
import json
import os
import random
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch  # noqa: E402
import torch.nn.functional as functional  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

from data import HERE, Record, disturb, load_corpus, load_names  # noqa: E402

Case = tuple[str, str, str]  # the prompt, its language, the answer expected


class StoredModel:
    """A Qwen3 folder: configuration, tokenizer and weights, with a plain forward pass."""

    def __init__(self, folder: Path) -> None:
        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.exact = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.exact.normalizer = None
        self.weights = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
        self.end = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))["eos_token_id"]

    def normed(self, states: torch.Tensor, name: str) -> torch.Tensor:
        """RMS normalisation by the named weight."""
        scale = torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + self.config["rms_norm_eps"])
        return states * scale * self.weights[name]

    def hidden(self, tokens: torch.Tensor, cache: dict[int, tuple[torch.Tensor, torch.Tensor]] | None = None,
               past: int = 0) -> torch.Tensor:
        """The final hidden states of rows of tokens (right padding is never looked at), which follow `past`
        tokens whose keys and values are in the cache."""
        config, weights = self.config, self.weights
        rows, length = tokens.shape
        size = config["head_dim"]
        rates = config["rope_theta"] ** (-torch.arange(0, size, 2).float() / size)
        angles = torch.arange(past, past + length).float()[:, None] * rates[None, :]
        cosine, sine = angles.cos(), angles.sin()

        def heads(states: torch.Tensor, name: str, norm: str | None) -> torch.Tensor:
            projected = functional.linear(states, weights[name]).view(rows, length, -1, size)
            if norm is None:
                return projected.transpose(1, 2)
            projected = self.normed(projected, norm).transpose(1, 2)
            first, second = projected[..., : size // 2], projected[..., size // 2:]
            return torch.cat((first * cosine - second * sine, second * cosine + first * sine), -1)

        states = weights["model.embed_tokens.weight"][tokens]
        groups = config["num_attention_heads"] // config["num_key_value_heads"]
        for index in range(config["num_hidden_layers"]):
            at = f"model.layers.{index}."
            inner = self.normed(states, at + "input_layernorm.weight")
            query = heads(inner, at + "self_attn.q_proj.weight", at + "self_attn.q_norm.weight")
            key = heads(inner, at + "self_attn.k_proj.weight", at + "self_attn.k_norm.weight")
            value = heads(inner, at + "self_attn.v_proj.weight", None)
            if cache is not None:
                if past:
                    key, value = (torch.cat(pair, 2) for pair in zip(cache[index], (key, value)))
                cache[index] = (key, value)
            mixed = functional.scaled_dot_product_attention(
                query, key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1), is_causal=past == 0)
            mixed = mixed.transpose(1, 2).reshape(rows, length, -1)
            states = states + functional.linear(mixed, weights[at + "self_attn.o_proj.weight"])
            inner = self.normed(states, at + "post_attention_layernorm.weight")
            gate = functional.silu(functional.linear(inner, weights[at + "mlp.gate_proj.weight"]))
            inner = gate * functional.linear(inner, weights[at + "mlp.up_proj.weight"])
            states = states + functional.linear(inner, weights[at + "mlp.down_proj.weight"])
        return self.normed(states, "model.norm.weight")

    def likeliest(self, states: torch.Tensor) -> torch.Tensor:
        """The likeliest next token after each state."""
        return functional.linear(states, self.weights["model.embed_tokens.weight"]).argmax(-1)

    @torch.no_grad()
    def answer(self, prompts: list[str], limit: int = 64) -> list[tuple[str, bool]]:
        """Greedy answers and whether each came to its end by itself."""
        answers: dict[int, tuple[str, bool]] = {}
        by_length: dict[int, list[tuple[int, list[int]]]] = {}
        for index, prompt in enumerate(prompts):
            tokens = self.tokenizer.encode(prompt).ids
            by_length.setdefault(len(tokens), []).append((index, tokens))
        for length, rows in by_length.items():
            cache: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
            following = torch.tensor([tokens for _, tokens in rows])
            spoken: list[list[int]] = [[] for _ in rows]
            past = 0
            for _ in range(limit):
                chosen = self.likeliest(self.hidden(following, cache, past)[:, -1])
                past += following.shape[1]
                following = chosen[:, None]
                for row, token in zip(spoken, chosen.tolist()):
                    if not row or row[-1] != self.end:
                        row.append(token)
                if all(row[-1] == self.end for row in spoken):
                    break
            for (index, _), row in zip(rows, spoken):
                ended = row[-1] == self.end
                text = self.tokenizer.decode(row[:-1] if ended else row, skip_special_tokens=True)
                answers[index] = (text, ended)
        return [answers[index] for index in range(len(prompts))]

    @torch.no_grad()
    def answer_cases(self, cases: list[Case], size: int = 128) -> list[tuple[str, bool]]:
        """Greedy answers; those equal to the expected one are recognised in one pass each."""
        answers: dict[int, tuple[str, bool]] = {}
        pairs = [(self.tokenizer.encode(prompt).ids, self.exact.encode(expected).ids + [self.end])
                 for prompt, _, expected in cases]
        order = sorted(range(len(cases)), key=lambda i: len(pairs[i][0]) + len(pairs[i][1]))
        for start in range(0, len(order), size):
            chunk = order[start:start + size]
            length = max(len(pairs[i][0]) + len(pairs[i][1]) for i in chunk)
            tokens = torch.tensor([
                pairs[i][0] + pairs[i][1] + [0] * (length - len(pairs[i][0]) - len(pairs[i][1])) for i in chunk])
            states = self.hidden(tokens)
            for row, index in enumerate(chunk):
                prompt, target = pairs[index]
                chosen = self.likeliest(states[row, len(prompt) - 1: len(prompt) + len(target) - 1])
                if chosen.tolist() == target:
                    answers[index] = (cases[index][2], True)
        missing = [index for index in range(len(cases)) if index not in answers]
        for index, answer in zip(missing, self.answer([cases[i][0] for i in missing])):
            answers[index] = answer
        return [answers[index] for index in range(len(cases))]


def render(question: str, earlier: list[tuple[str, str]] | None = None) -> str:
    """The prompt of a question, exactly as the service renders it."""
    turns = "".join(f"<|user|>{q}<|end|><|assistant|>{a}<|end|>" for q, a in earlier or [])
    return f"{turns}<|user|>{question.strip()}<|end|><|assistant|>"


def has_han(text: str) -> bool:
    """Whether a text holds a Chinese character."""
    return any("\u4e00" <= character <= "\u9fff" for character in text)


class Tally:
    """Scores sets of cases and counts the faults seen in every answer given."""

    def __init__(self, model: StoredModel) -> None:
        self.model, self.mixed, self.unfinished, self.answered = model, 0, 0, 0

    def ask(self, cases: list[Case]) -> list[str]:
        """The answers to the cases; language mixing and missing ends are counted."""
        spoken = []
        for (_, language, _), (text, ended) in zip(cases, self.model.answer_cases(cases)):
            self.mixed += has_han(text) != (language == "zh")
            self.unfinished += not ended
            self.answered += 1
            spoken.append(text)
        return spoken

    def exact(self, name: str, cases: list[Case]) -> None:
        """Print the share of the cases answered exactly as expected."""
        right = [answer == case[2] for answer, case in zip(self.ask(cases), cases)]
        parts = []
        for language in ("zh", "en"):
            own = [value for value, case in zip(right, cases) if case[1] == language]
            if own:
                parts.append(f"{language} {sum(own) / len(own):.1%} of {len(own)}")
        print(f"{name}: {sum(right) / len(right):.1%} ({sum(right)} of {len(right)}; {', '.join(parts)})", flush=True)


def baseline(trained: list[tuple[str, str]], held: list[Case], questions: list[str]) -> float:
    """How often the answer of the nearest trained phrasing is right (TF-IDF of character n-grams)."""
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True)
    matrix = vectorizer.fit_transform(text for text, _ in trained)
    nearest = (vectorizer.transform(questions) @ matrix.T).toarray().argmax(1)
    return sum(trained[place][1] == case[2] for place, case in zip(nearest, held)) / len(held)


def refusals(records: list[Record], far: list[Record]) -> set[str]:
    """The honest lines: the far answers, and the answers of the corpus that decline a kind of question."""
    return {r.answer for r in far} | {r.answer for r in records if r.topic.startswith("oos-")}


def main() -> None:
    """Print every figure of the model card, or answer the questions given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=HERE, help="the folder to measure")
    parser.add_argument("--ask", nargs="+", help="answer these questions instead")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="leave out the full pass over the trained phrasings")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = StoredModel(options.folder)
    if options.ask:
        for question, (answer, ended) in zip(options.ask, model.answer([render(q) for q in options.ask])):
            print(f"{question}\t{answer}{'' if ended else ' (no end)'}")
        return

    records, far = load_corpus(HERE / "corpus")
    names = load_names(HERE / "corpus")
    generator = random.Random(7)
    tally = Tally(model)
    trained = [(text, record) for record in records for text in record.train]
    held = [(text, record) for record in records for text in record.aside]

    def cases(pairs: list[tuple[str, Record]], noisy: bool = False, talk: bool = False) -> list[Case]:
        made = []
        for text, record in pairs:
            earlier = [(generator.choice(r.train), r.answer) for r in generator.sample(records, 2)] if talk else []
            asked = disturb(text, record.language, generator, 1.5) if noisy else text
            made.append((render(asked, earlier), record.language, record.answer))
        return made

    tally.exact("documentation questions", cases([(t, r) for t, r in trained if r.repeat > 1]))
    tally.exact("held-aside phrasings", cases(held))
    share = baseline([(t, r.answer) for t, r in trained], cases(held), [t for t, _ in held])
    print(f"held-aside phrasings, TF-IDF nearest neighbour: {share:.1%}")

    honest, lines = refusals(records, far), {record.answer for record in far}
    made_up = []
    for record in (next(r for r in far if r.language == language) for language in ("zh", "en")):
        frames = names[record.language]["frames"]
        made_up += [(generator.choice(frames).replace("{}", name), record)
                    for name in names[record.language]["aside_names"] for _ in range(5)]
    for name, pairs in (("far questions", [(t, r) for r in far for t in r.aside]), ("unknown names", made_up)):
        spoken = tally.ask(cases(pairs))
        print(f"{name} kept aside: {sum(a in lines for a in spoken) / len(spoken):.1%} answered by the far line,"
              f" {sum(a in honest for a in spoken) / len(spoken):.1%} by an honest line, of {len(spoken)}")
    refused = sum(a in lines for a in tally.ask(cases(held)))
    print(f"held-aside phrasings refused by the far line: {refused} of {len(held)}")
    sample = generator.sample(trained, 1500)
    tally.exact("trained phrasings (sample)", cases(sample))
    tally.exact("held-aside phrasings, two earlier exchanges", cases(held, talk=True))
    tally.exact("held-aside phrasings, noise", cases(held, noisy=True))
    tally.exact("trained phrasings (sample), two earlier exchanges", cases(sample, talk=True))
    tally.exact("trained phrasings (sample), noise", cases(sample, noisy=True))
    if not options.quick:
        tally.exact("trained phrasings", cases(trained))
    print(f"all answers: {tally.answered}, in the wrong language {tally.mixed}, without an end {tally.unfinished}")


if __name__ == "__main__":
    main()
