//! `config.json`: what old folders leave out is added, and nothing that is there is changed but
//! the spelling of the architecture.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::{ConvertError, files::read_json, weights::Weights};

/// The configuration of a model, and what was added to it.
pub(crate) struct Config {
    pub(crate) content: Map<String, Value>,
    pub(crate) notes: Vec<String>,
}

/// Old and wrong spellings of architectures.
const SPELLINGS: &[(&str, &str)] =
    &[("LLaMAForCausalLM", "LlamaForCausalLM"), ("LLaMaForCausalLM", "LlamaForCausalLM")];
/// Those whose folders the rules here are made for.
const KNOWN: &[&str] = &["LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM"];

impl Config {
    /// Reads and completes the configuration in `folder`.
    pub(crate) fn complete(folder: &Path, weights: &Weights) -> Result<Self, ConvertError> {
        let path = folder.join("config.json");
        let content: Map<String, Value> = read_json(&path)?.ok_or_else(|| {
            ConvertError::Missing { path: path.clone(), hint: "it says what kind of model this is" }
        })?;
        let mut config = Self { content, notes: Vec::new() };
        let architecture = config.architecture(&path)?;
        if config.content.get("quantization_config").is_some_and(Value::is_object)
            && matches!(weights, Weights::Checkpoints(_))
        {
            return Err(ConvertError::Unsupported {
                path,
                what: "a pickled model that is quantized already".to_owned(),
                way_out: "convert the original model and quantize it with isq",
            });
        }
        config.add_missing(&architecture, weights);
        if architecture == "LlamaForCausalLM" {
            config.scaling(&path)?;
        }
        config.check(&path)?;
        Ok(config)
    }

    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.content.get(key).and_then(Value::as_u64)
    }

    /// Whether the model's input and output share their table of tokens.
    pub(crate) fn is_tied(&self) -> bool {
        self.content.get("tie_word_embeddings").and_then(Value::as_bool) == Some(true)
    }

    /// The one architecture, spelled as it is spelled today.
    fn architecture(&mut self, path: &Path) -> Result<String, ConvertError> {
        let named = match self.content.get("architectures") {
            Some(Value::Array(all)) if all.len() == 1 => all[0].as_str().map(str::to_owned),
            Some(Value::String(one)) => Some(one.clone()),
            Some(Value::Array(all)) if !all.is_empty() => {
                let problem =
                    format!("architectures must name one architecture, it names {}", all.len());
                return Err(ConvertError::malformed(path, problem));
            }
            _ => match self.content.get("model_type").and_then(Value::as_str) {
                Some("llama") => Some("LlamaForCausalLM".to_owned()),
                Some("mistral") => Some("MistralForCausalLM".to_owned()),
                Some("qwen2") => Some("Qwen2ForCausalLM".to_owned()),
                _ => None,
            },
        };
        let named = named.ok_or_else(|| {
            ConvertError::malformed(path, "neither architectures nor model_type says what this is")
        })?;
        let spelled = SPELLINGS.iter().find(|(old, _)| *old == named);
        let spelled = spelled.map_or(named, |(_, new)| (*new).to_owned());
        if !KNOWN.contains(&spelled.as_str()) {
            return Err(ConvertError::Unsupported {
                path: path.to_owned(),
                what: spelled,
                way_out: "only models of the Llama, Mistral and Qwen2 architectures are; use one of those",
            });
        }
        let wanted = json!([spelled]);
        if self.content.get("architectures") != Some(&wanted) {
            self.content.insert("architectures".to_owned(), wanted);
            self.notes.push(format!("config.json: architectures is now [\"{spelled}\"]"));
        }
        Ok(spelled)
    }

    fn add_missing(&mut self, architecture: &str, weights: &Weights) {
        let copy = |content: &Map<String, Value>, key: &str| content.get(key).cloned();
        // What the old code had as constants.
        let constants = [
            ("hidden_act", json!("silu")),
            ("rms_norm_eps", json!(1e-6)),
            ("rope_theta", json!(10000.0)),
        ];
        for (key, value) in constants {
            self.add(key, Some(value));
        }
        let heads = copy(&self.content, "num_attention_heads");
        self.add("num_key_value_heads", heads);
        let length = copy(&self.content, "max_sequence_length").unwrap_or(json!(2048));
        self.add("max_position_embeddings", (architecture == "LlamaForCausalLM").then_some(length));
        if weights.has("lm_head.weight") == Some(false) {
            self.add("tie_word_embeddings", Some(json!(true)));
        }
    }

    /// Names the kind of position scaling under the key of today; the engine has two.
    fn scaling(&mut self, path: &Path) -> Result<(), ConvertError> {
        let Some(Value::Object(scaling)) = self.content.get_mut("rope_scaling") else {
            return Ok(());
        };
        let old = scaling.get("type").cloned();
        let kind = scaling.get("rope_type").cloned().or_else(|| old.clone());
        match kind.as_ref().and_then(Value::as_str) {
            Some("linear" | "llama3" | "default") => {}
            kind => {
                return Err(ConvertError::Unsupported {
                    path: path.to_owned(),
                    what: format!("rope_scaling of type {}", kind.unwrap_or("unknown")),
                    way_out: "the engine scales positions as linear or llama3 only; use another model",
                });
            }
        }
        if !scaling.contains_key("rope_type") {
            scaling.insert("rope_type".to_owned(), old.unwrap_or_default());
            self.notes.push("config.json: rope_scaling has its type as rope_type, too".to_owned());
        }
        Ok(())
    }

    fn add(&mut self, key: &str, value: Option<Value>) {
        let Some(value) = value else { return };
        if self.content.get(key).is_none_or(Value::is_null) {
            self.notes.push(format!("config.json: {key} is now {value}"));
            self.content.insert(key.to_owned(), value);
        }
    }

    /// Says what the engine would not read, or would read and compute wrongly.
    fn check(&self, path: &Path) -> Result<(), ConvertError> {
        for key in [
            "hidden_size",
            "intermediate_size",
            "vocab_size",
            "num_hidden_layers",
            "num_attention_heads",
        ] {
            if self.number(key).is_none_or(|number| number == 0) {
                return Err(ConvertError::malformed(path, format!("{key} must be a number")));
            }
        }
        Ok(())
    }
}
