//! A folder of an embedding model: the modules that come after the transformer.
//!
//! mistralrs 0.8.1 panics on the ways of pooling that are refused here.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use tokenizers::Tokenizer;

use super::{read_json, safetensors, tokenizer};
use crate::{LoadError, LocalSettings};

/// What mistralrs 0.8.1 makes vectors with.
const SUPPORTED: &[&str] = &["Qwen3ForCausalLM", "Gemma3TextModel"];
const WAY_OUT: &str = "use a Qwen3-Embedding or EmbeddingGemma model, or a compatible server: kind = \"openai\" with embedding_model";

/// Whether `folder` says of itself that it is an embedding model.
pub(crate) fn is_embedding(folder: &Path) -> bool {
    folder.join("modules.json").is_file()
}

/// One entry of `modules.json`.
#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Looks at the embedding model in `folder`; gives back its tokenizer, and most tokens of a text
/// where that is less than the model was made for.
pub(super) fn check(
    folder: &Path,
    settings: &LocalSettings,
) -> Result<(Tokenizer, Option<usize>), LoadError> {
    let path = folder.join("config.json");
    let config: Map<String, Value> = read_json(&path)?.ok_or_else(|| LoadError::FileMissing {
        path: path.clone(),
        hint: "it says what kind of model this is",
    })?;
    let architectures = config.get("architectures").and_then(Value::as_array);
    let [Value::String(architecture)] = architectures.map(Vec::as_slice).unwrap_or_default() else {
        return Err(LoadError::malformed(path, "architectures must name one architecture"));
    };
    if !SUPPORTED.contains(&architecture.as_str()) {
        return Err(LoadError::UnsupportedArchitecture {
            path,
            architecture: format!("{architecture} as an embedding model"),
            way_out: WAY_OUT,
        });
    }
    super::quantized::check(&path, &config, settings)?;
    modules(folder)?;
    safetensors::check(folder)?;
    let tokenizer = tokenizer::read(folder, "it comes with the model")?;
    if let Some(size) = config.get("vocab_size").and_then(Value::as_u64) {
        tokenizer::fits(folder, &tokenizer, size)?;
    }
    let window = config.get("sliding_window").and_then(Value::as_u64);
    let window = window.filter(|_| architecture == "Gemma3TextModel");
    // The engine lets a token see a whole window to each side, where the model was made for half of
    // one; so far as nothing is hidden from either, their vectors are the same.
    let longest = window.and_then(|window| usize::try_from(window / 2 + 1).ok());
    Ok((tokenizer, longest))
}

/// Checks the chain from the transformer to the vector.
fn modules(folder: &Path) -> Result<(), LoadError> {
    let path = folder.join("modules.json");
    let modules: Vec<Module> = read_json(&path)?.ok_or_else(|| LoadError::FileMissing {
        path: path.clone(),
        hint: "an embedding model has it, as sentence-transformers writes it",
    })?;
    let wrong = |problem: &str| Err(LoadError::malformed(&path, problem));
    let mut pooled = 0;
    for (number, module) in modules.iter().enumerate() {
        let kind = module.kind.rsplit('.').next().unwrap_or_default().to_lowercase();
        match kind.as_str() {
            "transformer" if number == 0 && module.path.is_empty() => {}
            "transformer" => return wrong("the transformer must come first, in the folder itself"),
            _ if number == 0 => return wrong("the transformer must come first"),
            "pooling" => {
                pooling(&folder.join(&module.path).join("config.json"))?;
                pooled += 1;
            }
            "dense" => dense(&folder.join(&module.path))?,
            "normalize" => {}
            _ => return wrong(&format!("the engine has no module of type {}", module.kind)),
        }
    }
    if pooled == 1 { Ok(()) } else { wrong("one of the modules must pool, and only one") }
}

/// Checks that the engine pools in this way.
fn pooling(path: &Path) -> Result<(), LoadError> {
    const MODES: [&str; 6] = [
        "pooling_mode_cls_token",
        "pooling_mode_max_tokens",
        "pooling_mode_mean_sqrt_len_tokens",
        "pooling_mode_weightedmean_tokens",
        "pooling_mode_mean_tokens",
        "pooling_mode_lasttoken",
    ];
    let config: Map<String, Value> = read_json(path)?.ok_or_else(|| LoadError::FileMissing {
        path: path.to_owned(),
        hint: "modules.json names it",
    })?;
    let flag = |key: &str| config.get(key).and_then(Value::as_bool);
    for key in MODES.iter().chain(&["include_prompt"]) {
        if flag(key).is_none() {
            return Err(LoadError::malformed(path, format!("{key} must be true or false")));
        }
    }
    let on: Vec<&str> = MODES.into_iter().filter(|key| flag(key) == Some(true)).collect();
    match on.as_slice() {
        ["pooling_mode_mean_tokens" | "pooling_mode_lasttoken"]
            if flag("include_prompt") == Some(true) =>
        {
            Ok(())
        }
        _ => Err(LoadError::UnsupportedArchitecture {
            path: path.to_owned(),
            architecture: format!("pooling by {}", on.join(" and ")),
            way_out: WAY_OUT,
        }),
    }
}

/// Checks that a layer after pooling is there, and one that the engine has.
fn dense(folder: &Path) -> Result<(), LoadError> {
    let path = folder.join("config.json");
    let missing = |path| LoadError::FileMissing { path, hint: "modules.json names its folder" };
    let config: Map<String, Value> = read_json(&path)?.ok_or_else(|| missing(path.clone()))?;
    let activation = config.get("activation_function").and_then(Value::as_str).unwrap_or_default();
    if !activation.ends_with("Identity") {
        return Err(LoadError::UnsupportedArchitecture {
            path,
            architecture: format!("a dense layer with the activation {activation}"),
            way_out: WAY_OUT,
        });
    }
    let weights = folder.join("model.safetensors");
    if weights.is_file() { Ok(()) } else { Err(missing(weights)) }
}
