//! `config.json`: the architecture and its numbers.

use std::path::Path;

use serde_json::{Map, Value};

use super::read_json;
use crate::LoadError;

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
pub(super) fn check(folder: &Path) -> Result<Option<u64>, LoadError> {
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
        let remedy =
            if key == "rope_theta" { "; models that leave it out mean 10000.0" } else { "" };
        return Err(LoadError::malformed(
            path,
            format!("{key} is missing, and {architecture} needs it{remedy}"),
        ));
    }
    Ok(config.get("vocab_size").and_then(Value::as_u64))
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
        "QWenLMHeadModel" => "use Qwen2.5 or Qwen3, or a compatible server that runs it",
        "ChatGLMModel" | "ChatGLMForConditionalGeneration" | "GlmForCausalLM" => {
            "use GLM-4-0414, Qwen2.5 or Qwen3, or a compatible server that runs it"
        }
        _ => "use a Qwen2.5, Qwen3, Llama or Mistral model, or a compatible server that runs it",
    }
}
