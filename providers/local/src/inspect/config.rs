//! `config.json`: the architecture and its numbers.

use std::path::Path;

use serde_json::{Map, Value};

use super::{quantized, read_json};
use crate::{LoadError, LocalSettings};

/// What mistralrs 0.8.1 builds from safetensors, without `GptOssForCausalLM`, whose answers only
/// a parser that has to be downloaded can read.
const SUPPORTED: &[&str] = &[
    "DeepseekV2ForCausalLM",
    "DeepseekV3ForCausalLM",
    "Gemma2ForCausalLM",
    "GemmaForCausalLM",
    "Glm4ForCausalLM",
    "Glm4MoeForCausalLM",
    "Glm4MoeLiteForCausalLM",
    "GraniteMoeHybridForCausalLM",
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "MixtralForCausalLM",
    "Phi3ForCausalLM",
    "PhiForCausalLM",
    "PhiMoEForCausalLM",
    "Qwen2ForCausalLM",
    "Qwen3ForCausalLM",
    "Qwen3MoeForCausalLM",
    "Qwen3NextForCausalLM",
    "SmolLM3ForCausalLM",
    "Starcoder2ForCausalLM",
];

/// How the names of architectures begin that look at pictures or listen.
const MULTIMODAL: &[&str] = &[
    "Gemma3",
    "Gemma4",
    "Idefics",
    "InternVL",
    "Llama4",
    "Llava",
    "MiniCPMO",
    "MiniCPMV",
    "Mistral3",
    "Mllama",
    "PaliGemma",
    "Phi3V",
    "Phi4MM",
    "Pixtral",
    "Qwen2VL",
    "Qwen2_5_VL",
    "Qwen2_5Omni",
    "Qwen3VL",
    "Qwen3_5",
    "Voxtral",
];

/// Keys without which the engine cannot read the configuration of the usual architectures.
const REQUIRED: &[&str] = &[
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "max_position_embeddings",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "rms_norm_eps",
    "vocab_size",
];

/// Checks the configuration in `folder`; gives back the size of the vocabulary where it is said.
pub(super) fn check(folder: &Path, settings: &LocalSettings) -> Result<Option<u64>, LoadError> {
    let path = folder.join("config.json");
    let config: Map<String, Value> = read_json(&path)?.ok_or_else(|| LoadError::FileMissing {
        path: path.clone(),
        hint: "it says what kind of model this is",
    })?;
    let architectures = config
        .get("architectures")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let [Value::String(architecture)] = architectures else {
        let count = architectures.len();
        return Err(LoadError::malformed(
            path,
            format!("architectures must name one architecture, it names {count}"),
        ));
    };
    if !SUPPORTED.contains(&architecture.as_str()) {
        let way_out = way_out(architecture);
        return Err(LoadError::UnsupportedArchitecture {
            path,
            architecture: architecture.clone(),
            way_out,
        });
    }
    if let Some(key) =
        required(architecture).find(|key| config.get(*key).is_none_or(Value::is_null))
    {
        let remedy = if architecture == "LlamaForCausalLM" {
            "; anima convert adds what old folders leave out"
        } else {
            ""
        };
        return Err(LoadError::malformed(
            path,
            format!("{key} is missing, and {architecture} needs it{remedy}"),
        ));
    }
    if architecture == "LlamaForCausalLM" {
        llama(&path, &config)?;
    }
    quantized::check(&path, &config, settings)?;
    Ok(config.get("vocab_size").and_then(Value::as_u64))
}

/// What the engine does not look at in a Llama model, so that its answers would be nonsense.
fn llama(path: &Path, config: &Map<String, Value>) -> Result<(), LoadError> {
    let unsupported = |what: &str| {
        Err(LoadError::UnsupportedArchitecture {
            path: path.to_owned(),
            architecture: what.to_owned(),
            way_out: "use a GGUF file of the model, or a compatible server that runs it",
        })
    };
    for key in ["attention_bias", "mlp_bias"] {
        if config.get(key) == Some(&Value::Bool(true)) {
            return unsupported(&format!("LlamaForCausalLM with {key}"));
        }
    }
    let number = |key: &str| config.get(key).and_then(Value::as_u64);
    match (number("head_dim"), number("hidden_size"), number("num_attention_heads")) {
        (Some(head), Some(hidden), Some(heads)) if head.checked_mul(heads) != Some(hidden) => {
            unsupported("LlamaForCausalLM whose head_dim is not hidden_size / num_attention_heads")
        }
        _ => Ok(()),
    }
}

/// The keys that `architecture` needs; none where the engine itself must tell.
fn required(architecture: &str) -> impl Iterator<Item = &'static str> {
    let (common, more): (&[&str], &[&str]) = match architecture {
        "LlamaForCausalLM" | "Qwen2ForCausalLM" => (REQUIRED, &["rope_theta"]),
        "Qwen3ForCausalLM" => {
            (REQUIRED, &["rope_theta", "max_window_layers", "use_sliding_window"])
        }
        "MistralForCausalLM" => (REQUIRED, &[]),
        _ => (&[], &[]),
    };
    common.iter().chain(more).copied()
}

fn way_out(architecture: &str) -> &'static str {
    match architecture {
        "LLaMAForCausalLM" => "anima convert writes its folder in the form of today",
        "QWenLMHeadModel" => "use Qwen2.5 or Qwen3, or a compatible server that runs it",
        "ChatGLMModel" | "ChatGLMForConditionalGeneration" | "GlmForCausalLM" => {
            "use GLM-4-0414, Qwen2.5 or Qwen3, or a compatible server that runs it"
        }
        name if MULTIMODAL.iter().any(|start| name.starts_with(start)) => {
            "a multimodal model runs on a compatible server: kind = \"openai\" with images = true"
        }
        _ => "use a Qwen2.5, Qwen3, Llama or Mistral model, or a compatible server that runs it",
    }
}
