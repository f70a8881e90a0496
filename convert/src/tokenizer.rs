//! `tokenizer.json` from `tokenizer.model`, as transformers' `LlamaConverter` makes it.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
    path::Path,
};

use serde_json::{Map, Value, json};

use crate::{
    ConvertError,
    sentencepiece::{Algorithm, Kind, Piece, SentencePiece},
};

/// What the folder says of its tokenizer beside the model itself.
pub(crate) struct Options {
    /// Each stretch of text between special tokens begins with a space of its own, as old
    /// versions of transformers did; else only the first one does.
    pub(crate) legacy: bool,
    pub(crate) add_bos: bool,
    pub(crate) add_eos: bool,
    /// Tokens that were added after training, by their numbers, and whether they are special.
    pub(crate) added: BTreeMap<u32, (String, bool)>,
}

/// Makes the content of `tokenizer.json` from the model that was read from `path`.
pub(crate) fn tokenizer(
    path: &Path,
    model: &SentencePiece,
    options: &Options,
) -> Result<Value, ConvertError> {
    refuse(path, model)?;
    let mut vocabulary = Map::new();
    for (id, piece) in model.pieces.iter().enumerate() {
        if vocabulary.insert(piece.text.clone(), json!(id)).is_some() {
            let problem = format!("token {:?} is there twice", piece.text);
            return Err(ConvertError::malformed(path, problem));
        }
    }
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added_tokens(model, options),
        "normalizer": normalizer(model, options.legacy),
        "pre_tokenizer": pre_tokenizer(model, options.legacy),
        "post_processor": post_processor(model, options),
        "decoder": decoder(model),
        "model": {
            "type": "BPE", "dropout": null, "unk_token": model.unk_piece, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": model.byte_fallback,
            "ignore_merges": false, "vocab": vocabulary, "merges": merges(&model.pieces),
        },
    }))
}

/// Says what tokenizers of this form cannot be.
fn refuse(path: &Path, model: &SentencePiece) -> Result<(), ConvertError> {
    let unsupported = |what: &str, way_out| {
        Err(ConvertError::Unsupported { path: path.to_owned(), what: what.to_owned(), way_out })
    };
    match model.algorithm {
        Algorithm::Bpe => {}
        Algorithm::Unigram => {
            return unsupported(
                "a Unigram vocabulary",
                "the engine reads BPE vocabularies only; use another model",
            );
        }
        Algorithm::Word | Algorithm::Character => {
            return unsupported(
                "a vocabulary of words or characters",
                "the engine reads BPE vocabularies only; use another model",
            );
        }
    }
    if model.normalizer.has_table {
        let what = format!("the normalizer {}", model.normalizer.name);
        return unsupported(&what, "models of the Llama family use identity; use another model");
    }
    if model.space_behind || !model.normalizer.escape_whitespaces {
        return unsupported(
            "its treatment of spaces",
            "models of the Llama family write ▁ before a word; use another model",
        );
    }
    if !model.pieces.iter().any(|piece| piece.text == model.unk_piece) {
        let problem = format!("the unknown token {:?} is no token", model.unk_piece);
        return Err(ConvertError::malformed(path, problem));
    }
    Ok(())
}

/// The tokens that are found in a text before anything else.
fn added_tokens(model: &SentencePiece, options: &Options) -> Vec<Value> {
    let own = (0_u32..).zip(&model.pieces).filter_map(|(id, piece)| match piece.kind {
        Kind::Unknown | Kind::Control => Some((id, (piece.text.clone(), true))),
        Kind::UserDefined => Some((id, (piece.text.clone(), false))),
        _ => None,
    });
    let all: BTreeMap<u32, (String, bool)> = options.added.clone().into_iter().chain(own).collect();
    let form = |(id, (content, special)): (u32, (String, bool))| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": special})
    };
    all.into_iter().map(form).collect()
}

fn normalizer(model: &SentencePiece, legacy: bool) -> Value {
    let mut steps = Vec::new();
    if model.normalizer.remove_extra_whitespaces {
        // No model of the Llama family does so; one that was trained with SentencePiece's defaults does.
        // The space alone is meant, not tabs and the like.
        for (pattern, content) in [(r"\A +|[ ▁]+\z", ""), (" {2,}", " ")] {
            steps.push(
                json!({"type": "Replace", "pattern": {"Regex": pattern}, "content": content}),
            );
        }
    }
    if legacy {
        if model.normalizer.add_dummy_prefix {
            steps.push(json!({"type": "Prepend", "prepend": "▁"}));
        }
        steps.push(json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"}));
    }
    if steps.is_empty() {
        return Value::Null;
    }
    json!({"type": "Sequence", "normalizers": steps})
}

fn pre_tokenizer(model: &SentencePiece, legacy: bool) -> Value {
    if legacy {
        return Value::Null;
    }
    let scheme = if model.normalizer.add_dummy_prefix { "first" } else { "never" };
    json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false})
}

fn decoder(model: &SentencePiece) -> Value {
    let mut steps = vec![
        json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if model.normalizer.add_dummy_prefix {
        steps.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    json!({"type": "Sequence", "decoders": steps})
}

/// Puts the tokens of beginning and end around a text.
fn post_processor(model: &SentencePiece, options: &Options) -> Value {
    let bos = model.piece(model.bos_id).filter(|_| options.add_bos);
    let eos = model.piece(model.eos_id).filter(|_| options.add_eos);
    if bos.is_none() && eos.is_none() {
        return Value::Null;
    }
    let mut special = Map::new();
    for (piece, id) in [(bos, model.bos_id), (eos, model.eos_id)] {
        if let Some(piece) = piece {
            special.insert(piece.to_owned(), json!({"id": piece, "ids": [id], "tokens": [piece]}));
        }
    }
    let around = |sequence: &str, kind: u32| {
        let token = |piece: &str| json!({"SpecialToken": {"id": piece, "type_id": kind}});
        let text = json!({"Sequence": {"id": sequence, "type_id": kind}});
        bos.map(token).into_iter().chain([text]).chain(eos.map(token)).collect::<Vec<_>>()
    };
    let pair = [around("A", 0), around("B", 1)].concat();
    json!({"type": "TemplateProcessing", "single": around("A", 0), "pair": pair, "special_tokens": special})
}

/// The pairs that make a token, best first.
///
/// SentencePiece joins the neighbours whose token has the best score, whichever pair it is; a list
/// of merges has every pair that makes a token, in the order of its score. Among equals the longer
/// pair comes first, and then the one whose token is older, as transformers orders them.
fn merges(pieces: &[Piece]) -> Vec<(&str, &str)> {
    let ids: HashMap<&str, usize> =
        pieces.iter().enumerate().map(|(id, piece)| (piece.text.as_str(), id)).collect();
    let mut all: Vec<(f32, &str, &str)> = Vec::new();
    for piece in pieces {
        let mut own: Vec<(&str, &str)> = piece
            .text
            .char_indices()
            .skip(1)
            .map(|(at, _)| piece.text.split_at(at))
            .filter(|(left, right)| ids.contains_key(left) && ids.contains_key(right))
            .collect();
        own.sort_by_key(|(left, right)| (ids[left], ids[right]));
        // Control tokens have score 0 in transformers, and no pair makes them anyway.
        all.extend(own.into_iter().map(|(left, right)| (piece.score, left, right)));
    }
    let length = |text: &str| text.chars().count();
    // Stable, so that equals keep the order in which they were found.
    all.sort_by(|one, other| {
        let by_score = other.0.partial_cmp(&one.0).unwrap_or(Ordering::Equal);
        by_score
            .then_with(|| length(other.1).cmp(&length(one.1)))
            .then_with(|| length(other.2).cmp(&length(one.2)))
    });
    all.into_iter().map(|(_, left, right)| (left, right)).collect()
}
