"""Makes the files of this folder. See README.md for how it was run.

    python make.py tokenizers 250  needs sentencepiece==0.2.3
    python make.py weights         needs torch and numpy
"""

import json
import random
import sys
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE.parents[2] / "models/demo/corpus"


def corpus():
    """Sentences in Chinese and English: the demonstration model's corpus."""
    for path in sorted(CORPUS.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            for value in record.values():
                for text in value if isinstance(value, list) else [value]:
                    if isinstance(text, str) and len(text) > 2:
                        yield text


def texts(count):
    """So many texts: sentences, cut and glued, with spaces, digits and rare characters."""
    random.seed(7)
    sentences = sorted(set(corpus()))
    rare = ["\n", "\t", "  ", "   ", " ", "𝄞", "é", "ß", "日本語", "한국어", "😀", "👨‍👩‍👧", "\u200b", "𠮷", "ﬁ", "Ａ１",
            "2024-06-30", "3.14159", "C++", "http://a.b/c?d=e", "……", "——", "▁", "a▁b", "\u00a0", "أهلا", "é", "\r\n"]
    made = []
    while len(made) < count:
        one, other = random.choice(sentences), random.choice(sentences)
        kind = len(made) % 5
        if kind == 0:
            text = one
        elif kind == 1:
            text = one + random.choice([" ", "", "  ", "\n"]) + other
        elif kind == 2:
            start = random.randrange(len(one))
            text = one[start : start + random.randrange(1, 30)]
        elif kind == 3:
            text = "".join(random.choice([*one, *rare]) for _ in range(random.randrange(1, 25)))
        else:
            text = one.replace(" ", random.choice(["  ", " ", "\n"])) + random.choice(rare) + other
        if text and "<" not in text:
            made.append(text)
    return made


def tokenizers(count):
    import sentencepiece

    sentences = sorted(set(corpus()))
    samples = texts(count)
    expected = {"texts": samples, "ids": {}}
    common = dict(sentence_iterator=None, byte_fallback=True, character_coverage=0.98, num_threads=1,
                  train_extremely_large_corpus=False, minloglevel=2)
    forms = {
        # As Llama's: no normalization, a space in front of the text.
        "llama": dict(model_type="bpe", vocab_size=2400, normalization_rule_name="identity", remove_extra_whitespaces=False,
                      split_digits=True, allow_whitespace_only_pieces=True),
        # With the trainer's own treatment of spaces and words that the user defined.
        "spaces": dict(model_type="bpe", vocab_size=1700, normalization_rule_name="identity",
                       user_defined_symbols=["阿尼玛", "[calm]"]),
        "bare": dict(model_type="bpe", vocab_size=1700, normalization_rule_name="identity", remove_extra_whitespaces=False,
                     add_dummy_prefix=False),
        # Refused.
        "unigram": dict(model_type="unigram", vocab_size=1500, normalization_rule_name="identity"),
    }
    for name, form in forms.items():
        common["sentence_iterator"] = iter(sentences if name == "llama" else sentences[::9])
        sentencepiece.SentencePieceTrainer.train(model_prefix=str(HERE / name), **common, **form)
        (HERE / f"{name}.vocab").unlink()
        model = sentencepiece.SentencePieceProcessor(model_file=str(HERE / f"{name}.model"))
        if name in ("llama", "spaces", "bare"):
            expected["ids"][name] = [model.encode(text) for text in samples]
    (HERE / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, separators=(",", ":")) + "\n")


def weights():
    """A table of tensors in every form that a model's checkpoint may have."""
    import torch

    torch.manual_seed(7)
    shared = torch.randn(4, 3)
    wide = torch.randn(6, 4)
    checkpoint = {
        "float": torch.randn(3, 5),
        "half": torch.randn(2, 2).half(),
        "brain": torch.randn(2, 3).bfloat16(),
        "double": torch.randn(2).double(),
        "whole": torch.tensor([[-1, 2], [1 << 40, 4]]),
        "small": torch.tensor([1, -2], dtype=torch.int8),
        "truth": torch.tensor([True, False, True]),
        "scalar": torch.tensor(1.5),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.randn(2, 2)),
        "transposed": wide.t(),
        "slice": wide[2:4],
        "column": wide[:, 1],
        "shared.one": shared,
        "shared.two": shared,
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.randn(4),
    }
    from collections import OrderedDict

    state = OrderedDict(checkpoint)
    state._metadata = OrderedDict([("", {"version": 1})])
    torch.save(state, HERE / "forms.bin")
    values = {}
    for name, tensor in checkpoint.items():
        tensor = tensor.detach()
        raw = tensor.contiguous().view(torch.uint8) if tensor.dim() and tensor.numel() else tensor
        raw = raw.contiguous().flatten().view(torch.uint8).tolist() if tensor.numel() else []
        values[name] = {"dtype": str(tensor.dtype), "shape": list(tensor.shape), "bytes": bytes(raw).hex()}
    (HERE / "forms.json").write_text(json.dumps(values, indent=1) + "\n")
    torch.save({"model": {"a": torch.zeros(1)}}, HERE / "training.bin")
    torch.save({"a": torch.zeros(1)}, HERE / "old.bin", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    if sys.argv[1] == "tokenizers":
        tokenizers(int(sys.argv[2]))
    else:
        weights()
