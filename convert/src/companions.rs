//! The small files beside the weights: which tokens are special, and how answers are drawn.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::{Map, Value, json};

use crate::{
    ConvertError,
    files::{read_json, write_json},
    sentencepiece::SentencePiece,
    tokenizer::Options,
};

/// `tokenizer_config.json` and its relatives.
pub(crate) struct Companions {
    tokenizer_config: Map<String, Value>,
    special_tokens_map: Option<Map<String, Value>>,
    generation_config: Option<Map<String, Value>>,
    /// `added_tokens.json`.
    added: Map<String, Value>,
    pub(crate) notes: Vec<String>,
}

/// The keys that name one token.
const TOKENS: [&str; 4] = ["bos_token", "eos_token", "unk_token", "pad_token"];

impl Companions {
    /// Reads and repairs the files of `folder`; `model` tells what they leave out.
    pub(crate) fn read(folder: &Path, model: Option<&SentencePiece>) -> Result<Self, ConvertError> {
        let object = |name: &str| read_json::<Map<String, Value>>(&folder.join(name));
        let mut companions = Self {
            tokenizer_config: object("tokenizer_config.json")?.unwrap_or_default(),
            special_tokens_map: object("special_tokens_map.json")?,
            generation_config: object("generation_config.json")?,
            added: object("added_tokens.json")?.unwrap_or_default(),
            notes: Vec::new(),
        };
        companions.repair_tokens(model);
        companions.repair_types();
        Ok(companions)
    }

    /// What the folder says of its tokenizer.
    pub(crate) fn options(&self, vocabulary: usize) -> Options {
        let flag = |key: &str| self.tokenizer_config.get(key).and_then(Value::as_bool);
        let mut added = BTreeMap::new();
        let decoder = self.tokenizer_config.get("added_tokens_decoder").and_then(Value::as_object);
        let listed = self.added.iter().filter_map(|(content, id)| {
            // An added pad or unknown token is special, others are words.
            let named =
                TOKENS.iter().any(|key| self.tokenizer_config.get(*key) == Some(&json!(content)));
            Some((u32::try_from(id.as_u64()?).ok()?, (content.clone(), named)))
        });
        let numbered = decoder.into_iter().flatten().filter_map(|(id, token)| {
            let special = token.get("special").and_then(Value::as_bool).unwrap_or(false);
            let content = token.get("content")?.as_str()?.to_owned();
            Some((id.parse().ok()?, (content, special)))
        });
        added.extend(listed.chain(numbered));
        // Those of the model itself are known better from the model.
        added.retain(|id, _| *id as usize >= vocabulary);
        Options {
            legacy: flag("legacy").unwrap_or(true),
            add_bos: flag("add_bos_token").unwrap_or(true),
            add_eos: flag("add_eos_token").unwrap_or(false),
            added,
        }
    }

    /// Writes the files into the new folder.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), ConvertError> {
        write_json(&folder.join("tokenizer_config.json"), &self.tokenizer_config)?;
        let others = [
            ("special_tokens_map.json", &self.special_tokens_map),
            ("generation_config.json", &self.generation_config),
        ];
        for (name, content) in others {
            if let Some(content) = content {
                write_json(&folder.join(name), content)?;
            }
        }
        Ok(())
    }

    /// Whether there is a chat template already.
    pub(crate) fn has_template(&self) -> bool {
        self.tokenizer_config.get("chat_template").is_some_and(|value| !value.is_null())
    }

    /// Writes each token as its text; takes those that are missing from the other files.
    fn repair_tokens(&mut self, model: Option<&SentencePiece>) {
        let of_model = |key: &str| {
            let model = model?;
            match key {
                "bos_token" => model.piece(model.bos_id),
                "eos_token" => model.piece(model.eos_id),
                "unk_token" => Some(model.unk_piece.as_str()),
                _ => None,
            }
        };
        for key in TOKENS {
            let stated = self.tokenizer_config.get(key);
            let mapped = self.special_tokens_map.as_ref().and_then(|map| map.get(key));
            // An empty text is what broken conversions of the first Llama have.
            let token = [stated, mapped].into_iter().flatten().find_map(content);
            let token = token.or_else(|| of_model(key).map(str::to_owned));
            match token {
                Some(token) if stated.and_then(Value::as_str) != Some(&token) => {
                    self.notes.push(format!("tokenizer_config.json: {key} is now {token:?}"));
                    self.tokenizer_config.insert(key.to_owned(), json!(token));
                }
                None if stated.is_some_and(|stated| !stated.is_null()) => {
                    self.notes.push(format!("tokenizer_config.json: {key} names no token"));
                    self.tokenizer_config.insert(key.to_owned(), Value::Null);
                }
                _ => {}
            }
        }
        if let Some(Value::Array(all)) = self.tokenizer_config.get_mut("additional_special_tokens")
        {
            let texts: Vec<Value> = all.iter().filter_map(content).map(Value::String).collect();
            if *all != texts {
                self.notes.push(
                    "tokenizer_config.json: additional_special_tokens are now texts".to_owned(),
                );
                *all = texts;
            }
        }
    }

    /// Takes out values on whose type the engine would fail.
    fn repair_types(&mut self) {
        type IsRight = fn(&Value) -> bool;
        const RIGHT: &[(&str, IsRight)] = &[
            ("add_bos_token", Value::is_boolean),
            ("add_eos_token", Value::is_boolean),
            ("additional_special_tokens", Value::is_array),
            ("clean_up_tokenization_spaces", Value::is_boolean),
            ("device_map", Value::is_string),
            ("legacy", Value::is_boolean),
            ("model_max_length", Value::is_number),
            ("spaces_between_special_tokens", Value::is_boolean),
            ("tokenizer_class", Value::is_string),
            ("truncation_size", Value::is_string),
            ("use_default_system_prompt", Value::is_boolean),
            ("chat_template", |value| value.is_string() || value.is_array()),
            ("sp_model_kwargs", |value| {
                value.as_object().is_some_and(|all| all.values().all(Value::is_string))
            }),
        ];
        for (key, is_right) in RIGHT {
            let wrong = |value: &Value| !value.is_null() && !is_right(value);
            if self.tokenizer_config.get(*key).is_some_and(wrong) {
                self.tokenizer_config.shift_remove(*key);
                self.notes
                    .push(format!("tokenizer_config.json: {key} had a wrong type and is gone"));
            }
        }
    }

    /// Checks that answers can end: the end tokens are tokens.
    pub(crate) fn check(&self, folder: &Path, tokenizer: &Value) -> Result<(), ConvertError> {
        let tokens = tokens(tokenizer);
        let path = folder.join("tokenizer_config.json");
        let eos = self.tokenizer_config.get("eos_token").and_then(Value::as_str);
        let ends = self.generation_config.as_ref().and_then(|config| config.get("eos_token_id"));
        let ends: Vec<&Value> = match ends {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(all)) => all.iter().collect(),
            Some(one) => vec![one],
        };
        match eos {
            Some(eos) if !tokens.contains_key(eos) => {
                let problem = format!("eos_token {eos:?} is no token of the tokenizer");
                return Err(ConvertError::malformed(path, problem));
            }
            None if ends.is_empty() => {
                let problem = "eos_token is missing, so an answer would never end";
                return Err(ConvertError::malformed(path, problem));
            }
            _ => {}
        }
        let ids: BTreeSet<u64> = tokens.values().copied().collect();
        let is_token = |id: &&Value| id.as_u64().is_some_and(|id| ids.contains(&id));
        if let Some(id) = ends.iter().find(|id| !is_token(id)) {
            let problem = format!("eos_token_id {id} is no token of the tokenizer");
            return Err(ConvertError::malformed(folder.join("generation_config.json"), problem));
        }
        Ok(())
    }
}

/// Every token of a `tokenizer.json` and its number.
pub(crate) fn tokens(tokenizer: &Value) -> BTreeMap<&str, u64> {
    let vocabulary = tokenizer.pointer("/model/vocab").and_then(Value::as_object);
    let added = tokenizer.get("added_tokens").and_then(Value::as_array);
    let vocabulary = vocabulary.into_iter().flatten();
    let added = added
        .into_iter()
        .flatten()
        .filter_map(|token| Some((token.get("content")?.as_str()?, token.get("id")?.as_u64()?)));
    vocabulary.filter_map(|(token, id)| Some((token.as_str(), id.as_u64()?))).chain(added).collect()
}

/// The text of a token that is written as text or as an object.
fn content(token: &Value) -> Option<String> {
    let text = token.as_str().or_else(|| token.get("content")?.as_str())?;
    (!text.is_empty()).then(|| text.to_owned())
}
