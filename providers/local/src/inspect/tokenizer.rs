//! `tokenizer.json`: readable by us and by the engine.

use std::path::Path;

use serde_json::Value;
use tokenizers::Tokenizer;

use super::read_json;
use crate::LoadError;

/// Reads the tokenizer of `folder`.
pub(super) fn read(folder: &Path, hint: &'static str) -> Result<Tokenizer, LoadError> {
    let path = folder.join("tokenizer.json");
    let json: Value =
        read_json(&path)?.ok_or_else(|| LoadError::FileMissing { path: path.clone(), hint })?;
    if !json.get("added_tokens").is_some_and(Value::is_array) {
        return Err(LoadError::malformed(path, "added_tokens must be a list"));
    }
    if !json.pointer("/model/vocab").is_some_and(Value::is_object) {
        return Err(LoadError::malformed(
            path,
            "model.vocab must be an object: the engine reads no Unigram vocabularies",
        ));
    }
    let mut tokenizer = Tokenizer::from_bytes(json.to_string())
        .map_err(|error| LoadError::malformed(&path, error.to_string()))?;
    tokenizer
        .with_truncation(None)
        .map_err(|error| LoadError::malformed(&path, error.to_string()))?;
    tokenizer.with_padding(None);
    Ok(tokenizer)
}

/// Checks that the model has a row for each token.
pub(super) fn fits(
    folder: &Path,
    tokenizer: &Tokenizer,
    vocabulary_size: u64,
) -> Result<(), LoadError> {
    match tokenizer.get_vocab(true).into_iter().max_by_key(|(_, id)| *id) {
        Some((token, id)) if u64::from(id) >= vocabulary_size => Err(LoadError::malformed(
            folder.join("config.json"),
            format!(
                "vocab_size is {vocabulary_size}, and tokenizer.json has token {token:?} with the number {id}"
            ),
        )),
        _ => Ok(()),
    }
}
