//! Converted tokenizers against SentencePiece's own answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod support;

use std::{collections::BTreeMap, fs};

use serde::Deserialize;
use serde_json::{Value, json};
use support::{Folder, refusal};
use tokenizers::Tokenizer;

/// What SentencePiece says.
#[derive(Deserialize)]
struct Expected {
    texts: Vec<String>,
    ids: BTreeMap<String, Vec<Vec<u32>>>,
}

fn expected() -> Expected {
    serde_json::from_slice(&fs::read(support::data("expected.json")).unwrap()).unwrap()
}

fn converted(model: &str, change: impl FnOnce(&Folder)) -> (Value, Tokenizer) {
    let folder = Folder::llama();
    folder.copy(&format!("{model}.model"), "tokenizer.model");
    change(&folder);
    folder.convert().unwrap();
    let json = folder.converted_json("tokenizer.json");
    let tokenizer = Tokenizer::from_bytes(json.to_string()).unwrap();
    (json, tokenizer)
}

#[test]
fn every_text_has_the_tokens_that_sentencepiece_gives_it() {
    let Expected { texts, ids } = expected();
    assert!(texts.len() >= 250 && ids.len() == 3);
    for (model, ids) in ids {
        let (_, tokenizer) = converted(&model, |_| {});
        let differing: Vec<_> = texts
            .iter()
            .zip(&ids)
            .filter(|(text, ids)| tokenizer.encode(text.as_str(), false).unwrap().get_ids() != *ids)
            .map(|(text, _)| text)
            .collect();
        assert!(
            differing.is_empty(),
            "{model}: {} of {} differ: {differing:?}",
            differing.len(),
            texts.len()
        );
    }
}

#[test]
fn a_text_comes_back_from_its_tokens() {
    let Expected { texts, .. } = expected();
    let (_, tokenizer) = converted("llama", |_| {});
    for text in texts {
        let ids = tokenizer.encode(text.as_str(), false).unwrap().get_ids().to_vec();
        assert_eq!(tokenizer.decode(&ids, false).unwrap(), text.replace('▁', " "));
    }
}

#[test]
fn the_beginning_token_stands_before_a_text_unless_the_folder_says_otherwise() {
    let first = |tokenizer: &Tokenizer| tokenizer.encode("a", true).unwrap().get_ids()[0];
    let (_, tokenizer) = converted("llama", |_| {});
    assert_eq!(first(&tokenizer), 1);
    let (_, tokenizer) = converted("llama", |folder| {
        folder.write_json(
            "tokenizer_config.json",
            &json!({"add_bos_token": false, "add_eos_token": true}),
        );
    });
    assert_ne!(first(&tokenizer), 1);
    assert_eq!(tokenizer.encode("a", true).unwrap().get_ids().last(), Some(&2));
}

#[test]
fn a_stretch_after_a_special_token_begins_with_a_space_only_in_the_old_way() {
    let (_, old) = converted("llama", |_| {});
    let (_, new) = converted("llama", |folder| {
        folder.write_json("tokenizer_config.json", &json!({"legacy": false}));
    });
    let tokens =
        |tokenizer: &Tokenizer| tokenizer.encode("你<s>你", false).unwrap().get_tokens().to_vec();
    assert_eq!(tokens(&old), ["▁你", "<s>", "▁你"]);
    assert_eq!(tokens(&new), ["▁你", "<s>", "你"]);
}

#[test]
fn tokens_that_were_added_later_are_found_in_a_text() {
    let (json, tokenizer) = converted("llama", |folder| {
        folder.write_json("added_tokens.json", &json!({"<pad>": 2400, "<extra>": 2401}));
        folder.write_json("tokenizer_config.json", &json!({"pad_token": "<pad>"}));
    });
    let encoded = tokenizer.encode("a<extra>", false).unwrap();
    assert_eq!(encoded.get_ids().last(), Some(&2401));
    let special = |content: &str| {
        let added = json["added_tokens"].as_array().unwrap();
        added.iter().find(|token| token["content"] == content).unwrap()["special"].clone()
    };
    assert_eq!(
        (special("<pad>"), special("<extra>"), special("<s>")),
        (json!(true), json!(false), json!(true))
    );
}

#[test]
fn a_tokenizer_that_the_engine_could_not_read_is_refused() {
    for (model, expected) in [
        (
            "unigram.model",
            "tokenizer.model: a Unigram vocabulary cannot be converted: the engine reads BPE vocabularies only; use another model",
        ),
        ("forms.bin", "tokenizer.model: this is no SentencePiece model"),
    ] {
        let folder = Folder::llama();
        folder.copy(model, "tokenizer.model");
        assert_eq!(refusal(&folder), expected);
    }
    // A later field of a protobuf message wins: this gives the model a table of characters.
    let folder = Folder::llama();
    let model = fs::read(support::data("llama.model")).unwrap();
    folder.write("tokenizer.model", [&model[..], b"\x1A\x0D\x0A\x08nmt_nfkc\x12\x01x"].concat());
    assert_eq!(
        refusal(&folder),
        "tokenizer.model: the normalizer nmt_nfkc cannot be converted: models of the Llama family use identity; use another model"
    );
}
