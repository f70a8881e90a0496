//! `anima convert` on the command line: what it prints, and how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::json;

/// An old folder, and the place for the new one.
fn folder() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let (old, new) = (root.path().join("Llama-2-7b-chat-hf"), root.path().join("new"));
    fs::create_dir(&old).unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("convert/tests/data");
    fs::copy(data.join("forms.bin"), old.join("pytorch_model.bin")).unwrap();
    fs::copy(data.join("llama.model"), old.join("tokenizer.model")).unwrap();
    let config = json!({"model_type": "llama", "vocab_size": 2400, "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 1, "num_attention_heads": 4});
    fs::write(old.join("config.json"), config.to_string()).unwrap();
    (root, old, new)
}

fn convert(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_anima")).arg("convert").args(arguments).output().unwrap()
}

#[test]
fn it_tells_what_it_did_and_prints_an_entry_that_can_be_pasted() {
    let (_root, old, new) = folder();
    let output = convert(&[&old, &new]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}");
    for line in [
        "config.json: rope_theta is now 10000.0",
        "tokenizer.json is made from tokenizer.model",
        "chat_template.jinja is llama2, guessed from the name; --template chooses another",
    ] {
        assert!(told.contains(line), "{told}");
    }
    let entry = &told[told.find("[providers.new]").unwrap()..];
    let entry: toml::Value = toml::from_str(entry).unwrap();
    let model = entry["providers"]["new"]["model"].as_str().unwrap();
    assert!(Path::new(model).join("model.safetensors").is_file());
    // Nobody looks at a bar here.
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn it_fails_in_one_line() {
    let (_root, old, new) = folder();
    fs::remove_file(old.join("tokenizer.model")).unwrap();
    let output = convert(&[&old, &new]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), told.lines().count()), (Some(1), 1), "{told}");
    assert!(told.starts_with("anima: ") && told.contains("tokenizer.model is missing"), "{told}");
    assert!(!new.exists());
}
