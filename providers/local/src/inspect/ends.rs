//! The tokens that end an answer, and what else `generation_config.json` says.

use std::path::Path;

use anima_provider::Sampling;
use serde::Deserialize;
use tokenizers::Tokenizer;

use super::{chat::ChatFiles, read_json};
use crate::LoadError;

/// End tokens of well-known chat formats, which a template uses without anyone naming them.
const USUAL: &[&str] = &["<|im_end|>", "<end_of_turn>", "<|end_of_text|>", "<|end|>", "<|eot_id|>"];

/// The tokens that end an answer.
#[derive(Debug, Clone)]
pub(crate) struct EndTokens {
    /// One that the engine knows: the cancelled answer ends with it.
    pub(crate) first: u32,
    /// Those that the engine must be told.
    pub(crate) untold: Vec<u32>,
    /// All of them, the first one first.
    pub(crate) all: Vec<u32>,
}

/// `generation_config.json`, as far as it is used.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GenerationConfig {
    eos_token_id: Option<Numbers>,
    #[serde(rename = "bos_token_id")]
    _bos_token_id: Option<Numbers>,
    do_sample: Option<bool>,
    temperature: Option<f64>,
    top_k: Option<u32>,
    top_p: Option<f64>,
    min_p: Option<f64>,
    repetition_penalty: Option<f64>,
    max_new_tokens: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Numbers {
    One(u32),
    Many(Vec<u32>),
}

impl Numbers {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(number) => std::slice::from_ref(number),
            Self::Many(numbers) => numbers,
        }
    }
}

impl GenerationConfig {
    /// How the makers of the model want answers drawn; a value out of range is left out.
    pub(crate) fn sampling(&self) -> Sampling {
        let temperature = if self.do_sample == Some(false) { Some(0.0) } else { self.temperature };
        let all = Sampling {
            temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            max_tokens: self.max_new_tokens,
            ..Sampling::default()
        };
        if all.validate().is_ok() { all } else { Sampling { temperature, ..Sampling::default() } }
    }
}

/// Reads `generation_config.json`; one that is absent says nothing.
pub(super) fn generation(folder: &Path) -> Result<GenerationConfig, LoadError> {
    Ok(read_json(&folder.join("generation_config.json"))?.unwrap_or_default())
}

impl EndTokens {
    /// Finds the end tokens of a model as the engine does, and those that it overlooks.
    pub(super) fn find(
        folder: &Path,
        tokenizer: &Tokenizer,
        chat: &ChatFiles,
        generation: &GenerationConfig,
        embedded: Option<u32>,
    ) -> Result<Self, LoadError> {
        let mut told = Vec::new();
        if let Some(token) = &chat.eos_token {
            let id = tokenizer.token_to_id(token).ok_or_else(|| {
                let problem =
                    format!("eos_token {token:?} is not in the vocabulary of tokenizer.json");
                LoadError::malformed(folder.join("tokenizer_config.json"), problem)
            })?;
            told.push(id);
        }
        for id in generation.eos_token_id.iter().flat_map(Numbers::as_slice) {
            // The engine looks the decoded text up again and panics when it is not there.
            let text = tokenizer.decode(&[*id], false).unwrap_or_default();
            if tokenizer.token_to_id(&text) != Some(*id) {
                let problem = format!("eos_token_id {id} is not a token of tokenizer.json");
                return Err(LoadError::malformed(folder.join("generation_config.json"), problem));
            }
            told.push(*id);
        }
        let template = chat.template.as_ref().map_or("", |source| source.text.as_str());
        let usual = USUAL.iter().filter(|token| template.contains(**token));
        let mut untold: Vec<u32> =
            usual.filter_map(|token| tokenizer.token_to_id(token)).chain(embedded).collect();
        untold.sort_unstable();
        untold.dedup();
        untold.retain(|id| !told.contains(id));
        let first = told.first().or(untold.first()).copied().ok_or_else(|| {
            let problem = "eos_token is missing, so an answer would never end";
            LoadError::malformed(folder.join("tokenizer_config.json"), problem)
        })?;
        let mut all = vec![first];
        all.extend(told.into_iter().chain(untold.iter().copied()).filter(|id| *id != first));
        all.dedup();
        Ok(Self { first, untold, all })
    }
}
