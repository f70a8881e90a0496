#!/usr/bin/env python3
"""Train the demonstration model of this folder from nothing but `corpus/`.

    python train.py                 # the run that made the committed weights
    python train.py --minutes 20    # a shorter one, bounded by the clock

One process, two CPU cores, no GPU, no network. The exported folder holds a Qwen3
model in Hugging Face form; `evaluate.py` measures it.
"""
from __future__ import annotations

import argparse
import json
import math
import os
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as functional  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers  # noqa: E402

from data import HERE, Record, disturb, far_questions, load_corpus, load_names  # noqa: E402

PAD, USER, ASSISTANT, END = "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"
EMOTIONS = ("neutral", "joy", "calm", "sad", "surprise", "sorry", "curious", "proud")
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'user' -%}<|user|>{{ message['content'] }}<|end|>"
    "{%- elif message['role'] == 'assistant' -%}<|assistant|>{{ message['content'] }}<|end|>"
    "{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
)


# ---------------------------------------------------------------- tokenizer

def train_tokenizer(records: list[Record], far: list[Record], size: int) -> Tokenizer:
    """Byte-level BPE over the training phrasings and the answers; input is lower-cased, output is not."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    texts = [q.lower() for r in records + far for q in r.train]
    texts += [r.answer.split("]", 1)[1] for r in records + far for _ in range(2)]
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, show_progress=False, special_tokens=[PAD, USER, ASSISTANT, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(f"[{name}]", special=False, normalized=False) for name in EMOTIONS])
    return tokenizer


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of an exported folder, without the lower-casing that the export adds."""
    stored = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    return Tokenizer.from_str(json.dumps({**stored, "normalizer": None}))


class Codec:
    """Encodes prompts as the service does (lower-cased) and answers as they are spoken (case kept)."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.exact = tokenizer
        self.folded = Tokenizer.from_str(tokenizer.to_str())
        self.folded.normalizer = normalizers.Lowercase()
        self.user, self.assistant, self.end, self.pad = (
            tokenizer.token_to_id(token) for token in (USER, ASSISTANT, END, PAD))
        self.answers: dict[tuple[str, bool], list[int]] = {}

    def question(self, text: str, generator: random.Random | None = None) -> list[int]:
        """The tokens of a question; with a generator, words are cut at random places to vary the tokens."""
        if generator is None or generator.random() < 0.5:
            return self.folded.encode(text).ids
        pieces, start = [], 0
        for place in range(1, len(text)):
            if generator.random() < 0.12 and text[place] != " " and text[place - 1] != " ":
                pieces.append(text[start:place])
                start = place
        return [token for piece in pieces + [text[start:]] for token in self.folded.encode(piece).ids]

    def answer(self, text: str, folded: bool = False) -> list[int]:
        """The tokens of an answer with its emotion tag and the end token."""
        key = (text, folded)
        if key not in self.answers:
            self.answers[key] = (self.folded if folded else self.exact).encode(text).ids + [self.end]
        return self.answers[key]


# ---------------------------------------------------------------- model

@dataclass
class Shape:
    """The sizes of the model, in the words of the Hugging Face configuration."""

    vocab_size: int = 6144
    hidden_size: int = 256
    intermediate_size: int = 768
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 64
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-6


class Attention(torch.nn.Module):
    """Grouped-query attention with per-head normalisation and rotary positions (Qwen3)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        query, key = shape.num_attention_heads * shape.head_dim, shape.num_key_value_heads * shape.head_dim
        self.q_proj = torch.nn.Linear(shape.hidden_size, query, bias=False)
        self.k_proj = torch.nn.Linear(shape.hidden_size, key, bias=False)
        self.v_proj = torch.nn.Linear(shape.hidden_size, key, bias=False)
        self.o_proj = torch.nn.Linear(query, shape.hidden_size, bias=False)
        self.q_norm = torch.nn.RMSNorm(shape.head_dim, eps=shape.rms_norm_eps)
        self.k_norm = torch.nn.RMSNorm(shape.head_dim, eps=shape.rms_norm_eps)

    def forward(self, hidden: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor,
                mask: torch.Tensor) -> torch.Tensor:
        rows, length, _ = hidden.shape
        split = (rows, length, -1, self.shape.head_dim)

        def rotate(states: torch.Tensor) -> torch.Tensor:
            left, right = states.chunk(2, dim=-1)
            return states * cosine + torch.cat((-right, left), dim=-1) * sine

        query = rotate(self.q_norm(self.q_proj(hidden).view(split)).transpose(1, 2))
        key = rotate(self.k_norm(self.k_proj(hidden).view(split)).transpose(1, 2))
        value = self.v_proj(hidden).view(split).transpose(1, 2)
        groups = self.shape.num_attention_heads // self.shape.num_key_value_heads
        mixed = functional.scaled_dot_product_attention(
            query, key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1), attn_mask=mask)
        return self.o_proj(mixed.transpose(1, 2).reshape(rows, length, -1))


class FeedForward(torch.nn.Module):
    """The gated feed-forward part (SwiGLU)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = torch.nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.up_proj = torch.nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.down_proj = torch.nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.down_proj(functional.silu(self.gate_proj(hidden)) * self.up_proj(hidden))


class Layer(torch.nn.Module):
    """One transformer layer."""

    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        self.input_layernorm = torch.nn.RMSNorm(shape.hidden_size, eps=shape.rms_norm_eps)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = torch.nn.RMSNorm(shape.hidden_size, eps=shape.rms_norm_eps)
        self.mlp = FeedForward(shape)
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, hidden: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        hidden = hidden + self.dropout(self.self_attn(self.input_layernorm(hidden), *rest))
        return hidden + self.dropout(self.mlp(self.post_attention_layernorm(hidden)))


class Model(torch.nn.Module):
    """Qwen3 with tied embeddings, plus a classifier of records that only guides training."""

    def __init__(self, shape: Shape, records: int, dropout: float) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = torch.nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = torch.nn.ModuleList(Layer(shape, dropout) for _ in range(shape.num_hidden_layers))
        self.norm = torch.nn.RMSNorm(shape.hidden_size, eps=shape.rms_norm_eps)
        self.dropout = torch.nn.Dropout(dropout)
        self.guide_norm = torch.nn.RMSNorm(shape.hidden_size, eps=shape.rms_norm_eps)
        self.guide = torch.nn.Linear(shape.hidden_size, records, bias=False)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                scale = 0.02 if "embed" in name or "guide" in name else weight.shape[1] ** -0.5
                torch.nn.init.normal_(weight, std=scale)
                if name.endswith(("o_proj.weight", "down_proj.weight")):
                    weight.data.mul_((2 * shape.num_hidden_layers) ** -0.5)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The final hidden states, and those of the last layer but one for the guide."""
        exponent = torch.arange(0, self.shape.head_dim, 2, dtype=torch.float32) / self.shape.head_dim
        angle = torch.outer(torch.arange(tokens.shape[1], dtype=torch.float32), self.shape.rope_theta ** -exponent)
        angle = torch.cat((angle, angle), dim=-1)
        cosine, sine = angle.cos(), angle.sin()
        hidden = self.dropout(self.embed_tokens(tokens))
        middle = hidden
        for index, layer in enumerate(self.layers):
            hidden = layer(hidden, cosine, sine, mask)
            if index == len(self.layers) - 2:
                middle = hidden
        return self.norm(hidden), middle


class Muon(torch.optim.Optimizer):
    """Momentum whose matrix updates are orthogonalised by a Newton-Schulz iteration, in float32."""

    def __init__(self, parameters: list[torch.nn.Parameter], lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # noqa: ARG002
        for group in self.param_groups:
            for weight in group["params"]:
                buffer = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                buffer.lerp_(weight.grad, 1 - group["momentum"])
                update = weight.grad.lerp(buffer, group["momentum"])
                tall = update.shape[0] > update.shape[1]
                update = update.T if tall else update
                update = update / (update.norm() + 1e-7)
                for _ in range(5):
                    product = update @ update.T
                    update = 3.4445 * update + (-4.775 * product + 2.0315 * product @ product) @ update
                update = update.T if tall else update
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update, alpha=-group["lr"] * max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5)


# ---------------------------------------------------------------- batches

@dataclass
class Row:
    """Exchanges packed one after another; `joint` rows may look back at the exchanges before."""

    tokens: list[int]
    weights: list[float]
    parts: list[int]
    guides: list[tuple[int, int]]
    joint: bool


def pack(samples: list[tuple[str, Record, int]], codec: Codec, length: int, generator: random.Random) -> list[Row]:
    """Rows of at most `length` tokens from (question, record, record number), filled first-fit."""
    closed: list[Row] = []
    opened: list[Row] = []
    for text, record, number in samples:
        joint = generator.random() < 0.25
        silent = joint and generator.random() < 0.35
        question = [codec.user] + codec.question(text, generator)[: length // 2] + [codec.end, codec.assistant]
        answer = codec.answer(record.answer, folded=silent)
        if not joint and generator.random() < 0.7:
            answer = answer[:6]  # most answers are told apart by their first tokens
        size = len(question) + len(answer)
        row = next((r for r in opened if r.joint == joint and len(r.tokens) + size <= length), None)
        if row is None:
            row = Row([], [], [], [], joint)
            opened.append(row)
        row.guides.append((len(row.tokens) + len(question) - 1, number))
        # A weight belongs to the position that predicts the next token.
        asked = [0.2 if generator.random() < 0.35 else 0.0 for _ in range(len(question) - 1)]
        asked[-2:] = [0.0, 0.0]
        spoken = [0.0 if silent else 1.0] * len(answer)
        row.tokens += question + answer
        row.weights += asked + spoken + [0.0]
        row.parts += [len(row.guides)] * size
        if len(opened) > 24:
            opened.sort(key=lambda r: len(r.tokens))
            closed.append(opened.pop())
    return closed + opened


def make_batch(rows: list[Row], length: int, pad: int) -> tuple[torch.Tensor, ...]:
    """Tensors: tokens, loss weights, attention mask, guide positions (flat) and their records."""
    count = len(rows)
    tokens = numpy.full((count, length), pad, dtype=numpy.int64)
    weights = numpy.zeros((count, length), dtype=numpy.float32)
    parts = numpy.zeros((count, length), dtype=numpy.int64)
    joint = numpy.array([row.joint for row in rows])
    guides: list[tuple[int, int]] = []
    for index, row in enumerate(rows):
        tokens[index, : len(row.tokens)] = row.tokens
        weights[index, : len(row.weights)] = row.weights
        parts[index, : len(row.parts)] = row.parts
        guides += [(index * length + place, number) for place, number in row.guides]
    distance = parts[:, :, None] - parts[:, None, :]
    mask = numpy.tril(numpy.ones((length, length), dtype=bool)) & (
        (distance == 0) | (joint[:, None, None] & (distance > 0) & (distance <= 2)))
    places, numbers = zip(*guides)
    return (torch.from_numpy(tokens), torch.from_numpy(weights), torch.from_numpy(mask)[:, None],
            torch.tensor(places), torch.tensor(numbers))


def losses(model: Model, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """The weighted loss of the next token, and the loss of the guide."""
    tokens, weights, mask, places, numbers = batch
    hidden, middle = model(tokens, mask)
    flat = weights.view(-1)
    chosen = flat.nonzero().squeeze(1)
    targets = tokens.view(-1)[chosen + 1]
    logits = hidden.view(-1, hidden.shape[-1])[chosen] @ model.embed_tokens.weight.T
    token_loss = (functional.cross_entropy(logits, targets, reduction="none") * flat[chosen]).sum() / flat.sum()
    guide_states = model.guide_norm(middle.view(-1, middle.shape[-1])[places])
    return token_loss, functional.cross_entropy(model.guide(guide_states), numbers)


@torch.no_grad()
def exact_share(model: Model, codec: Codec, questions: list[tuple[str, str]], size: int = 100) -> float:
    """The share of (question, answer) whose every answer token is the likeliest one: greedy exact match."""
    model.eval()
    right = 0
    for start in range(0, len(questions), size):
        chunk = []
        for text, answer in questions[start:start + size]:
            asked = [codec.user] + codec.folded.encode(text).ids + [codec.end, codec.assistant]
            chunk.append((asked, codec.answer(answer)))
        length = max(len(asked) + len(answer) for asked, answer in chunk)
        tokens = torch.full((len(chunk), length), codec.pad)
        for index, (asked, answer) in enumerate(chunk):
            tokens[index, : len(asked) + len(answer)] = torch.tensor(asked + answer)
        hidden, _ = model(tokens, torch.ones(length, length, dtype=torch.bool).tril())
        for index, (asked, answer) in enumerate(chunk):
            logits = hidden[index, len(asked) - 1: len(asked) + len(answer) - 1] @ model.embed_tokens.weight.T
            right += logits.argmax(-1).tolist() == answer
    model.train()
    return right / max(1, len(questions))


# ---------------------------------------------------------------- export

def export(model: Model, codec: Codec, folder: Path) -> None:
    """Write the folder that a Qwen3 loader reads: bfloat16 weights, configuration, tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"model.{name}": weight.detach().to(torch.bfloat16).contiguous()
        for name, weight in model.state_dict().items() if not name.startswith("guide")
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    config = {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", **asdict(model.shape),
        "max_position_embeddings": 1024, "hidden_act": "silu", "tie_word_embeddings": True,
        "max_window_layers": model.shape.num_hidden_layers, "use_sliding_window": False, "sliding_window": None,
        "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": codec.user, "eos_token_id": codec.end,
        "pad_token_id": codec.pad, "torch_dtype": "bfloat16", "use_cache": True,
    }
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": None, "eos_token": END, "pad_token": PAD,
        "unk_token": None, "add_bos_token": False, "clean_up_tokenization_spaces": False,
        "model_max_length": 1024, "chat_template": CHAT_TEMPLATE,
    }
    generation = {"eos_token_id": codec.end, "pad_token_id": codec.pad, "do_sample": False, "max_new_tokens": 96}
    for name, value in (("config", config), ("tokenizer_config", tokenizer_config), ("generation_config", generation)):
        (folder / f"{name}.json").write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    codec.folded.save(str(folder / "tokenizer.json"), pretty=False)


# ---------------------------------------------------------------- training

def epoch_rows(records: list[Record], far: list[Record], names: dict, codec: Codec, length: int,
               as_written: float, far_times: int, generator: random.Random) -> list[Row]:
    """Every training phrasing once, disturbed at random, with far questions mixed in, shuffled and packed."""
    samples: list[tuple[str, Record, int]] = []
    for number, record in enumerate(records):
        for text in record.train * record.repeat:
            strength = 0.0 if generator.random() < as_written else 1.5
            samples.append((disturb(text, record.language, generator, strength), record, number))
    far_number = {record.language: len(records) + (record.language == "en") for record in far}
    for record in far:
        for text in record.train * far_times:
            samples.append((disturb(text, record.language, generator), record, far_number[record.language]))
    answer = {record.language: record for record in far}
    if answer:
        for language, text in far_questions(records, far, names, 1800, generator):
            samples.append((disturb(text, language, generator, 0.6), answer[language], far_number[language]))
    generator.shuffle(samples)
    rows = pack(samples, codec, length, generator)
    generator.shuffle(rows)
    return rows


def main() -> None:
    """Train, report, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1600, help="optimizer steps (the schedule's length)")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop by the clock; the schedule follows it")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, default=48, help="rows of a batch")
    parser.add_argument("--length", type=int, default=96, help="tokens of a row")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--as-written", type=float, default=0.5, help="share of the phrasings that are not disturbed")
    parser.add_argument("--far", type=int, default=1, help="how often an epoch asks each far question")
    parser.add_argument("--rate", type=float, default=0.02, help="learning rate of the matrices")
    parser.add_argument("--corpus", type=Path, default=HERE / "corpus")
    parser.add_argument("--output", type=Path, default=HERE)
    parser.add_argument("--resume", type=Path, help="begin from the weights of this exported folder")
    parser.add_argument("--steady", type=float, default=0.5, help="share of the schedule before the rate falls")
    parser.add_argument("--compile", action="store_true", help="compile the model (needs a C++ compiler)")
    parser.add_argument("--export-every", type=int, default=400, help="steps between exports")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    generator = random.Random(options.seed)
    records, far = load_corpus(options.corpus)
    names = load_names(options.corpus)
    codec = Codec(load_tokenizer(options.resume) if options.resume
                  else train_tokenizer(records, far, Shape.vocab_size - len(EMOTIONS)))
    shape = Shape(num_hidden_layers=options.layers)
    assert codec.exact.get_vocab_size() <= shape.vocab_size
    model = Model(shape, len(records) + 2, options.dropout)
    if options.resume:
        stored = load_file(options.resume / "model.safetensors")
        weights = {name.removeprefix("model."): weight.float() for name, weight in stored.items()}
        assert not model.load_state_dict(weights, strict=False).unexpected_keys
    compute = torch.compile(losses) if options.compile else losses
    trunk = [p for n, p in model.named_parameters() if p.ndim == 2 and n.startswith("layers")]
    rest = [p for n, p in model.named_parameters() if not (p.ndim == 2 and n.startswith("layers"))]
    optimizers: list[torch.optim.Optimizer] = [
        Muon(trunk, lr=options.rate, momentum=0.95, weight_decay=0.1),
        torch.optim.AdamW(rest, lr=0.2 * options.rate, betas=(0.9, 0.98), weight_decay=0.02, fused=True),
    ]
    rates = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    kept = sum(p.numel() for n, p in model.named_parameters() if not n.startswith("guide"))
    held = [(text, record.answer) for record in records for text in record.aside]
    held = random.Random(1).sample(held, 600)
    print(f"{kept} parameters, {len(records)} records, {sum(len(r.train) for r in records)} phrasings,"
          f" vocabulary {codec.exact.get_vocab_size()}", flush=True)

    started, step, epoch, rows = time.monotonic(), 0, 0, []
    recent: list[float] = []
    while True:
        elapsed = (time.monotonic() - started) / 60
        progress = max(step / options.steps, elapsed / options.minutes)
        if progress >= 1:
            break
        if len(rows) < options.rows:
            rows = epoch_rows(records, far, names, codec, options.length, options.as_written, options.far, generator)
            epoch += 1
            if epoch % 2 == 0:
                print(f"epoch {epoch} begins: held-aside {exact_share(model, codec, held):.3f}", flush=True)
        batch = make_batch([rows.pop() for _ in range(options.rows)], options.length, codec.pad)
        factor = min(1.0, (step + 1) / 60) * min(1.0, (1 - progress) / (1 - options.steady))
        for optimizer, rate in zip(optimizers, rates):
            optimizer.param_groups[0]["lr"] = rate * factor
            optimizer.zero_grad(set_to_none=True)
        token_loss, guide_loss = compute(model, batch)
        (token_loss + 0.3 * guide_loss).backward()
        torch.nn.utils.clip_grad_norm_(rest, 1.0)
        for optimizer in optimizers:
            optimizer.step()
        step += 1
        recent.append(token_loss.item())
        if step % 20 == 0:
            print(f"step {step} epoch {epoch} minutes {elapsed:.1f} rate {factor:.3f}"
                  f" loss {sum(recent[-20:]) / 20:.4f} guide {guide_loss.item():.4f}", flush=True)
        if step % options.export_every == 0:
            export(model, codec, options.output)
    export(model, codec, options.output)
    print(f"done: {step} steps, {epoch} epochs, {(time.monotonic() - started) / 60:.1f} minutes,"
          f" held-aside sample {exact_share(model, codec, held):.3f}", flush=True)


if __name__ == "__main__":
    main()
