"""Compares `anima merge` with PEFT itself, on small models with random weights.

    pip install torch peft transformers && python compare_with_peft.py path/to/anima

Each case makes a model, an adapter as PEFT saves it, and two merged models: PEFT's in memory and
ours on disk, loaded again. What the models compute is compared, and so are their weights.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

TOKENS = torch.arange(0, 24).unsqueeze(0)


def small(kind, tied=False, dtype=torch.float32):
    torch.manual_seed(1)
    if kind == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(vocab_size=64, n_embd=32, n_layer=2, n_head=4, n_positions=64))
    else:
        config, model = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM)}[kind]
        model = model(config(vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                             num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=tied))
    return model.to(dtype).eval()


def randomize(model):
    """An untrained adapter changes nothing: B is zero."""
    torch.manual_seed(2)
    for name, parameter in model.named_parameters():
        if "lora_" in name or "modules_to_save" in name:
            parameter.data = torch.randn_like(parameter) * 0.3
        if parameter.requires_grad and name.endswith(".bias"):
            parameter.data = torch.randn_like(parameter) * 0.3


ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
CASES = {
    "all linear layers": ("llama", {}, dict(r=8, lora_alpha=16, target_modules=ALL), {}),
    "rsLoRA and patterns": ("qwen2", {}, dict(r=8, lora_alpha=4, use_rslora=True, target_modules=ALL,
                            rank_pattern={"q_proj": 3, "layers.1.mlp.up_proj": 5}, alpha_pattern={"v_proj": 7}), {}),
    "biases": ("qwen2", {}, dict(r=4, lora_alpha=8, target_modules=ALL, bias="lora_only"), {}),
    "BF16": ("llama", dict(dtype=torch.bfloat16), dict(r=8, lora_alpha=16, target_modules=ALL), {}),
    "a table of tokens": ("llama", {}, dict(r=4, lora_alpha=8, target_modules=[*ALL, "embed_tokens", "lm_head"]), {}),
    "whole modules": ("llama", {}, dict(r=4, lora_alpha=8, target_modules=ALL, modules_to_save=["embed_tokens", "lm_head", "norm"]), {}),
    "a larger vocabulary": ("llama", {}, dict(r=4, lora_alpha=8, target_modules=ALL, modules_to_save=["embed_tokens", "lm_head"]), dict(rows=80)),
    "tied, input changed": ("qwen2", dict(tied=True), dict(r=4, lora_alpha=8, target_modules=["embed_tokens", "q_proj"]), {}),
    "tied, output changed": ("qwen2", dict(tied=True), dict(r=4, lora_alpha=8, target_modules=["lm_head", "q_proj"]), {}),
    "tied, input replaced": ("qwen2", dict(tied=True), dict(r=4, lora_alpha=8, target_modules=["q_proj"], modules_to_save=["embed_tokens"]), {}),
    "pickled adapter": ("llama", {}, dict(r=8, lora_alpha=16, target_modules=ALL), dict(pickled=True)),
    "inputs in rows": ("gpt2", {}, dict(r=4, lora_alpha=8, target_modules=["c_attn", "c_proj"], fan_in_fan_out=True), {}),
}


def case(anima, name, root):
    kind, of_model, of_adapter, other = CASES[name]
    base, adapter, out = root / "base", root / "adapter", root / "out"
    model = small(kind, **of_model)
    model.save_pretrained(base)
    (base / "tokenizer.json").write_text("{}")
    if rows := other.get("rows"):
        model.resize_token_embeddings(rows)
    tuned = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **of_adapter)).eval()
    randomize(tuned)
    tuned.save_pretrained(adapter, safe_serialization=not other.get("pickled"))
    if other.get("pickled") and (adapter / "adapter_model.safetensors").exists():
        from safetensors.torch import load_file
        torch.save(load_file(adapter / "adapter_model.safetensors"), adapter / "adapter_model.bin")
        (adapter / "adapter_model.safetensors").unlink()
    with torch.no_grad():
        expected = tuned(input_ids=TOKENS).logits.float()
    told = subprocess.run([anima, "merge", base, adapter, out], capture_output=True, text=True)
    if told.returncode:
        return f"FAILED: {told.stderr.strip()}"
    merged = AutoModelForCausalLM.from_pretrained(out, dtype=of_model.get("dtype", torch.float32)).eval()
    with torch.no_grad():
        found = merged(input_ids=TOKENS).logits.float()
    merged_by_peft = tuned.merge_and_unload()
    error = ((found - expected).abs().max() / expected.abs().max()).item()
    with torch.no_grad():
        untouched = small(kind, **of_model)(input_ids=TOKENS).logits.float()
    changes = expected.shape != untouched.shape or (expected - untouched).abs().max().item() > 1e-2
    weights, same = "", error < 1e-5
    if "tied" not in name:
        # PEFT changes a shared table on both sides, which is not what was trained.
        theirs, ours = merged_by_peft.state_dict(), merged.state_dict()
        largest = max((theirs[key].float() - ours[key].float()).abs().max().item() for key in ours)
        weights = f", of a weight {largest:.1e}"
        # In BF16, adding to a weight and adding to what it computes are rounded differently.
        same = largest == 0 if of_model else same
    verdict = "ok" if same and changes else "WRONG"
    return f"{verdict}: largest difference of a logit, relative {error:.1e}{weights}"


if __name__ == "__main__":
    outcomes = {}
    for name in CASES:
        with tempfile.TemporaryDirectory() as root:
            outcomes[name] = case(sys.argv[1], name, Path(root))
        print(f"{name}: {outcomes[name]}", flush=True)
    sys.exit(any(not outcome.startswith("ok") for outcome in outcomes.values()))
