//! `anima merge` on the command line: what it prints, and how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::{fs, path::Path, process::Command};

use serde_json::json;

/// A safetensors file with matrices of this value.
fn safetensors(tensors: &[(&str, [usize; 2], f32)]) -> Vec<u8> {
    let (mut header, mut content) = (serde_json::Map::new(), Vec::new());
    for (name, shape, value) in tensors {
        let start = content.len();
        content.extend(value.to_le_bytes().repeat(shape[0] * shape[1]));
        let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [start, content.len()]});
        header.insert((*name).to_owned(), entry);
    }
    let header = serde_json::Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &content].concat()
}

/// Makes a model and an adapter for it, and merges them into `out` as somebody types it there.
fn merge(root: &Path, out: &str, config: &serde_json::Value) -> (bool, String, String) {
    let (base, adapter) = (root.join("base"), root.join("adapter"));
    fs::create_dir_all(&base).unwrap();
    fs::create_dir_all(&adapter).unwrap();
    fs::write(base.join("config.json"), "{}").unwrap();
    fs::write(base.join("tokenizer_config.json"), r#"{"chat_template": "{{ messages }}"}"#)
        .unwrap();
    fs::write(base.join("model.safetensors"), safetensors(&[("m.weight", [2, 3], 0.5)])).unwrap();
    fs::write(adapter.join("adapter_config.json"), config.to_string()).unwrap();
    let factors = [
        ("base_model.model.m.lora_A.weight", [1, 3], 2.0),
        ("base_model.model.m.lora_B.weight", [2, 1], 3.0),
    ];
    fs::write(adapter.join("adapter_model.safetensors"), safetensors(&factors)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_anima"))
        .current_dir(root)
        .args(["merge", "base", "adapter", out])
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn it_tells_what_it_did_and_prints_an_entry_that_can_be_pasted() {
    let root = tempfile::tempdir().unwrap();
    let config = json!({"peft_type": "LORA", "r": 1, "lora_alpha": 0.5, "base_model_name_or_path": "some/Base"});
    let (success, told, problem) = merge(root.path(), "new", &config);
    assert!(success, "{problem}");
    for line in [
        "1 tensors have the adapter added, 0 are replaced by its own",
        "the adapter says that it was made for some/Base",
        "there is no tokenizer.json: anima convert makes one from tokenizer.model",
        "new is ready. Add this to config/local.toml and name it under [turn] as provider:",
        "[providers.new]",
    ] {
        assert!(told.lines().any(|told| told == line), "{line:?} is not in\n{told}");
    }
    assert!(!told.contains("text_only"), "{told}");
    let expected = safetensors(&[("m.weight", [2, 3], 3.5)]);
    let written = fs::read(root.path().join("new/model.safetensors")).unwrap();
    assert_eq!(written[written.len() - 24..], expected[expected.len() - 24..]);
}

#[test]
fn a_refusal_is_one_line_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let config = json!({"peft_type": "LORA", "r": 1, "lora_alpha": 1, "use_dora": true});
    let (success, told, problem) = merge(root.path(), "new", &config);
    assert!(!success && told.is_empty());
    assert_eq!(
        problem,
        "anima: adapter/adapter_config.json: an adapter with use_dora cannot be merged: merge it with PEFT's merge_and_unload, or train without DoRA\n"
    );
    assert!(!root.path().join("new").exists());
}
