//! The small files of a folder, its template and its entry.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod support;

use std::fs;

use anima_convert::{Template, convert};
use minijinja::{Environment, context};
use serde_json::{Value, json};
use support::{Folder, config, refusal};

#[test]
fn the_configuration_gets_what_old_ones_leave_out_and_keeps_what_is_there() {
    let folder = Folder::llama();
    let before = config();
    let report = folder.convert().unwrap();
    let after = folder.converted_json("config.json");
    assert_eq!(after["architectures"], json!(["LlamaForCausalLM"]));
    assert_eq!(after["rope_theta"], json!(10000.0));
    assert_eq!(after["num_key_value_heads"], json!(4));
    assert_eq!(after["max_position_embeddings"], json!(512));
    for (key, value) in before.as_object().unwrap() {
        assert!(key == "architectures" || &after[key] == value, "{key}");
    }
    assert!(
        report.notes.contains(&"config.json: rope_theta is now 10000.0".to_owned()),
        "{:?}",
        report.notes
    );

    let folder = Folder::llama();
    let mut full = config();
    for (key, value) in [
        ("architectures", json!(["LlamaForCausalLM"])),
        ("rope_theta", json!(5e5)),
        ("num_key_value_heads", json!(2)),
        ("max_position_embeddings", json!(4096)),
        ("rms_norm_eps", json!(1e-4)),
        ("tie_word_embeddings", json!(false)),
    ] {
        full[key] = value;
    }
    folder.write_json("config.json", &full);
    folder.convert().unwrap();
    assert_eq!(folder.converted_json("config.json"), full);
}

#[test]
fn the_kind_of_position_scaling_is_named_as_it_is_today() {
    let with = |scaling: Value| {
        let folder = Folder::llama();
        let mut config = config();
        config["rope_scaling"] = scaling;
        folder.write_json("config.json", &config);
        folder
    };
    let folder = with(json!({"type": "linear", "factor": 4.0}));
    folder.convert().unwrap();
    assert_eq!(
        folder.converted_json("config.json")["rope_scaling"],
        json!({"type": "linear", "factor": 4.0, "rope_type": "linear"})
    );
    let folder = with(Value::Null);
    folder.convert().unwrap();
    assert_eq!(folder.converted_json("config.json")["rope_scaling"], Value::Null);
    assert_eq!(
        refusal(&with(json!({"type": "dynamic", "factor": 2.0}))),
        "config.json: rope_scaling of type dynamic cannot be converted: the engine scales positions as linear or llama3 only; use another model"
    );
}

#[test]
fn bad_forms_of_special_tokens_are_repaired() {
    let folder = Folder::llama();
    folder.write_json(
        "tokenizer_config.json",
        &json!({
        "bos_token": {"__type": "AddedToken", "content": "<s>"}, "eos_token": "", "unk_token": null,
        "additional_special_tokens": [{"content": "<s>"}], "model_max_length": 1e30, "legacy": "no",
        "sp_model_kwargs": {"nbest_size": 4}, "device_map": null, "other": [1]}),
    );
    folder.write_json(
        "special_tokens_map.json",
        &json!({"eos_token": {"content": "</s>"}, "unk_token": ""}),
    );
    folder.convert().unwrap();
    let after = folder.converted_json("tokenizer_config.json");
    assert_eq!(
        after,
        json!({
        "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "additional_special_tokens": ["<s>"],
        "model_max_length": 1e30, "device_map": null, "other": [1]})
    );
    assert_eq!(folder.converted_json("special_tokens_map.json")["unk_token"], "");
}

#[test]
fn a_folder_without_small_files_gets_those_that_are_needed() {
    let folder = Folder::llama();
    folder.convert().unwrap();
    let after = folder.converted_json("tokenizer_config.json");
    assert_eq!(after, json!({"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}));
    assert!(!folder.out().join("generation_config.json").exists());
}

#[test]
fn what_cannot_be_repaired_is_refused_in_one_line() {
    let with = |name: &str, content: &str| {
        let folder = Folder::llama();
        folder.write(name, content);
        refusal(&folder)
    };
    let config_with = |key: &str, value: Value| {
        let mut changed = config();
        changed[key] = value;
        with("config.json", &changed.to_string())
    };
    let unsupported =
        "only models of the Llama, Mistral and Qwen2 architectures are; use one of those";
    for (line, expected) in [
        (with("config.json", "{"), "config.json: EOF while parsing an object at line 1 column 1".to_owned()),
        (with("tokenizer_config.json", "{]"), "tokenizer_config.json: key must be a string at line 1 column 2".to_owned()),
        (with("generation_config.json", "[]"), "generation_config.json: invalid type: sequence, expected a map at line 1 column 0".to_owned()),
        (with("special_tokens_map.json", "no"), "special_tokens_map.json: expected ident at line 1 column 2".to_owned()),
        (with("generation_config.json", r#"{"eos_token_id": [2, 9999]}"#), "generation_config.json: eos_token_id 9999 is no token of the tokenizer".to_owned()),
        (with("tokenizer_config.json", r#"{"eos_token": "<end>"}"#), "tokenizer_config.json: eos_token \"<end>\" is no token of the tokenizer".to_owned()),
        (config_with("architectures", json!(["ChatGLMModel"])), format!("config.json: ChatGLMModel cannot be converted: {unsupported}")),
        (config_with("architectures", json!(["QWenLMHeadModel"])), format!("config.json: QWenLMHeadModel cannot be converted: {unsupported}")),
        (config_with("architectures", json!(["A", "B"])), "config.json: architectures must name one architecture, it names 2".to_owned()),
        (config_with("hidden_size", json!("many")), "config.json: hidden_size must be a number".to_owned()),
        (config_with("vocab_size", json!(100)), "config.json: vocab_size is 100, and the tokenizer has token \"鸾\" with the number 2399".to_owned()),
        (config_with("quantization_config", json!({"quant_method": "gptq"})), "config.json: a pickled model that is quantized already cannot be converted: convert the original model and quantize it with isq".to_owned()),
    ] {
        let (line, expected) = (shorten(&line), shorten(&expected));
        assert_eq!(line, expected);
    }
    let folder = Folder::llama();
    folder.remove("tokenizer.model");
    assert_eq!(
        refusal(&folder),
        "tokenizer.model is missing: there is neither a tokenizer.json nor a tokenizer.model"
    );
    let folder = Folder::llama();
    folder.remove("config.json");
    assert_eq!(refusal(&folder), "config.json is missing: it says what kind of model this is");
    let mut request = folder.request();
    request.folder = folder.path().join("nothing");
    let error = convert(&request, &mut |_| {}).unwrap_err().to_string();
    assert!(error.ends_with("nothing is not a folder"), "{error}");
}

/// Without the letters of a token that depends on how the fixture was trained.
fn shorten(line: &str) -> String {
    match (line.find("token \""), line.rfind("\" with")) {
        (Some(start), Some(end)) => format!("{}…{}", &line[..start], &line[end..]),
        _ => line.to_owned(),
    }
}

#[test]
fn a_folder_that_is_there_is_never_overwritten() {
    let folder = Folder::llama();
    fs::create_dir(folder.out()).unwrap();
    fs::write(folder.out().join("precious"), "x").unwrap();
    let error = folder.convert().unwrap_err().to_string();
    assert!(error.ends_with("new is there already and is not empty: name a new folder"), "{error}");
    fs::remove_file(folder.out().join("precious")).unwrap();
    folder.convert().unwrap();
    assert!(folder.out().join("model.safetensors").is_file());
}

#[test]
fn a_template_is_chosen_by_name_or_by_wish_and_never_replaces_one() {
    let named = |name: &str| {
        let folder = Folder::llama();
        let mut config = config();
        config["_name_or_path"] = json!(name);
        folder.write_json("config.json", &config);
        folder.convert().unwrap()
    };
    for (name, expected) in [
        ("Linly-AI/Chinese-LLaMA-2-7B-hf", Some(Template::Linly)),
        ("FlagAlpha/Llama2-Chinese-7b-Chat", Some(Template::Llama2Chinese)),
        ("FlagAlpha/Atom-7B-Chat", Some(Template::Llama2Chinese)),
        ("meta-llama/Llama-2-7b-chat-hf", Some(Template::Llama2)),
        ("meta-llama/Llama-2-7b-hf", None),
    ] {
        let report = named(name);
        assert_eq!(
            (report.template, report.has_template),
            (expected, expected.is_some()),
            "{name}"
        );
        assert_eq!(report.entry.contains("text_only = true"), expected.is_none());
    }
    let folder = Folder::llama();
    let mut request = folder.request();
    request.template = Some(Template::Linly);
    convert(&request, &mut |_| {}).unwrap();
    assert_eq!(folder.converted("chat_template.jinja"), Template::Linly.jinja().as_bytes());
    for (name, content) in [
        ("chat_template.jinja", "{{ messages }}"),
        ("tokenizer_config.json", r#"{"chat_template": "{{ messages }}"}"#),
    ] {
        let folder = Folder::llama();
        folder.write(name, content);
        let mut request = folder.request();
        request.template = Some(Template::Linly);
        let report = convert(&request, &mut |_| {}).unwrap();
        assert_eq!((report.template, report.has_template), (None, true));
        let kept = String::from_utf8(folder.converted(name)).unwrap();
        assert!(kept.contains("{{ messages }}"));
    }
}

/// A conversation through a chat template, as the engine renders it.
fn rendered(template: Template, messages: &[(&str, &str)]) -> String {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.add_template("chat", template.jinja()).unwrap();
    let messages: Vec<_> =
        messages.iter().map(|(role, content)| json!({"role": role, "content": content})).collect();
    environment
        .get_template("chat")
        .unwrap()
        .render(context! { messages, bos_token => "<s>", eos_token => "</s>" })
        .unwrap()
}

#[test]
fn a_chat_template_makes_the_prompt_that_the_style_of_its_name_makes() {
    let prompts = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../prompts");
    for template in [Template::Linly, Template::Llama2Chinese] {
        let style = template.style().unwrap();
        let source = fs::read_to_string(prompts.join(format!("{style}.j2"))).unwrap();
        let earlier =
            json!([{"said": "你好", "heard": "你好！"}, {"said": "再说", "heard": "再见"}]);
        let expected = Environment::new()
            .render_str(&source, context! { limit => 25, earlier, said => "如何应对压力" })
            .unwrap();
        let system = ("system", "请用少于25个字回答以下问题");
        let conversation = [
            ("user", "你好"),
            ("assistant", "你好！"),
            ("user", "再说"),
            ("assistant", "再见"),
            ("user", "如何应对压力"),
        ];
        let messages: Vec<_> = (template == Template::Linly)
            .then_some(system)
            .into_iter()
            .chain(conversation)
            .collect();
        assert_eq!(rendered(template, &messages), expected, "{template}");
    }
}

#[test]
fn system_texts_and_turns_have_their_place() {
    let conversation = [("system", "简短"), ("user", "一"), ("assistant", "二"), ("user", "三")];
    assert_eq!(
        rendered(Template::Llama2, &conversation),
        "<s>[INST] <<SYS>>\n简短\n<</SYS>>\n\n一 [/INST] 二 </s><s>[INST] 三 [/INST]"
    );
    assert_eq!(
        rendered(Template::Llama2Chinese, &conversation),
        "<s>Human: 简短\n一\n</s><s>Assistant: 二\n</s><s>Human: 三\n</s><s>Assistant: "
    );
    assert_eq!(
        rendered(Template::Linly, &conversation),
        "简短 User: 一 Bot: 二 ### Instruction:三  ### Response:"
    );
}

#[test]
fn template_names_are_read_as_they_are_written() {
    for template in [Template::Linly, Template::Llama2Chinese, Template::Llama2] {
        assert_eq!(template.to_string().parse(), Ok(template));
    }
    assert!("alpaca".parse::<Template>().unwrap_err().contains("linly, llama2-chinese or llama2"));
}

#[test]
fn the_entry_is_ready_to_paste() {
    let folder = Folder::llama();
    let mut request = folder.request();
    request.out = folder.out().with_file_name("Chinese LLaMA-2 \"7B\"");
    let report = convert(&request, &mut |_| {}).unwrap();
    let path = fs::canonicalize(&request.out).unwrap();
    assert_eq!(
        report.entry,
        format!(
            "[providers.chinese-llama-2--7b]\nkind = \"local\"\nmodel = {}\nisq = \"Q4K\"\ntext_only = true\n",
            json!(path)
        )
    );
    let folder = Folder::llama();
    let mut request = folder.request();
    request.out = folder.out().with_file_name("模型");
    assert!(convert(&request, &mut |_| {}).unwrap().entry.starts_with("[providers.model]\n"));
}
