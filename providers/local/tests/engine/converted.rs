//! Old folders of every layout: refused as they are, converted, loaded and asked.

#[path = "../../../../convert/tests/support/mod.rs"]
mod old;

use std::fs;

use anima_convert::{Template, convert};
use anima_local::{LocalProvider, LocalSettings};
use anima_provider::{Input, Provider, Request, TextPart, contract};
use serde_json::{Value, json};

use self::old::{Folder, checkpoint, config, tensors};
use crate::support::{ask, question};

/// Asks a folder as it is, and gives back why it is not loaded.
async fn refusal(folder: &Folder) -> String {
    let settings = LocalSettings::new(folder.path());
    let line = LocalProvider::load("old", settings).await.err().expect("it is old").to_string();
    line.replace(&format!("{}/", fs::canonicalize(folder.path()).unwrap().display()), "")
}

/// Converts a folder with Llama 2's template, loads and asks it; the same question twice.
async fn answers(folder: &Folder) -> String {
    let mut request = folder.request();
    request.template = Some(Template::Llama2);
    convert(&request, &mut |_| {}).unwrap();
    let provider = LocalProvider::load("new", LocalSettings::new(folder.out())).await.unwrap();
    let first = contract::answer(&provider, question("如何应对压力")).await.unwrap();
    let again = ask(&provider, question("如何应对压力")).await;
    assert_eq!(again.text, first.text);
    assert!(again.usage.completion_tokens > 0);
    first.text
}

/// A folder as it is published today but for what `change` takes away.
fn almost_new(change: impl FnOnce(&mut Value)) -> Folder {
    let made = Folder::llama();
    made.convert().unwrap();
    let folder = Folder::empty("old");
    let mut config = made.converted_json("config.json");
    change(&mut config);
    folder.write_json("config.json", &config);
    for name in ["model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        folder.write(name, made.converted(name));
    }
    folder
}

#[tokio::test]
async fn every_old_layout_is_refused_then_converted_and_answers_the_same() {
    let single = Folder::llama();
    assert_eq!(
        refusal(&single).await,
        "config.json: the local engine cannot run LLaMAForCausalLM: anima convert writes its folder in the form of today"
    );
    let expected = answers(&single).await;

    let parts = Folder::llama();
    parts.remove("pytorch_model.bin");
    let all = tensors();
    parts.write("pytorch_model-00001-of-00002.bin", checkpoint(&all[..6]));
    parts.write("pytorch_model-00002-of-00002.bin", checkpoint(&all[6..]));
    let mut full = single.converted_json("config.json");
    parts.write_json("config.json", &full);
    assert_eq!(
        refusal(&parts).await,
        "pytorch_model-00001-of-00002.bin: the engine reads no pickles: anima convert makes safetensors of it"
    );
    assert_eq!(answers(&parts).await, expected);

    let pieces = almost_new(|_| {});
    pieces.remove("tokenizer.json");
    pieces.copy("llama.model", "tokenizer.model");
    assert_eq!(
        refusal(&pieces).await,
        "tokenizer.json is missing: anima convert makes it from tokenizer.model"
    );
    assert_eq!(answers(&pieces).await, expected);

    let theta = almost_new(|config| {
        config.as_object_mut().unwrap().shift_remove("rope_theta");
    });
    assert_eq!(
        refusal(&theta).await,
        "config.json: rope_theta is missing, and LlamaForCausalLM needs it; anima convert adds what old folders leave out"
    );
    assert_eq!(answers(&theta).await, expected);

    let template = almost_new(|_| {});
    assert!(refusal(&template).await.contains("has no chat template"));
    assert_eq!(answers(&template).await, expected);

    // A table of tokens that is input and output at once is in the file once.
    full["tie_word_embeddings"] = json!(true);
    let tied = Folder::llama();
    tied.write_json("config.json", &full);
    answers(&tied).await;
}

#[tokio::test]
async fn a_converted_base_model_completes_a_text() {
    let folder = Folder::llama();
    folder.write_json("config.json", &config());
    let report = folder.convert().unwrap();
    assert!(report.entry.contains("text_only = true"));
    let mut settings = LocalSettings::new(folder.out());
    settings.text_only = true;
    let provider = LocalProvider::load("base", settings).await.unwrap();
    assert!(!provider.capabilities().chat);
    let input = Input::Text {
        parts: vec![TextPart::Template("### Instruction:你好  ### Response:".to_owned())],
    };
    let request = Request { input, ..question("") };
    assert!(ask(&provider, request).await.usage.completion_tokens > 0);
}
