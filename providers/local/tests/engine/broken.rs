//! Every kind of broken model gets one clear line, and nothing panics.

use std::{fs, path::Path};

use anima_local::{Device, LocalProvider, LocalSettings, Precision, Quantization};
use anima_provider::Sampling;
use serde_json::{Value, json};

use crate::{
    fixture::{Shape, llama, qwen3, safetensors, tokenizer, tokenizer_config, weights, write},
    gguf,
};

/// Loads the model and gives back the error, with the folder's path left out.
async fn refusal(folder: &Path, settings: LocalSettings) -> String {
    let line =
        LocalProvider::load("tiny", settings).await.err().expect("it must not load").to_string();
    assert!(!line.contains('\n') && !line.ends_with('.'), "{line:?}");
    let root = fs::canonicalize(folder).unwrap();
    line.replace(&format!("{}/", root.display()), "").replace(&root.display().to_string(), "FOLDER")
}

/// Damages a good model.
enum Damage {
    Remove(&'static str),
    Rename(&'static str, &'static str),
    Write(&'static str, Vec<u8>),
    /// Takes bytes from the end.
    Cut(&'static str, usize),
    /// Sets the value that the pointer names, or adds it.
    With(&'static str, &'static str, Value),
    Without(&'static str, &'static str),
}

impl Damage {
    fn apply(self, folder: &Path) {
        let read = |name| fs::read(folder.join(name)).unwrap();
        let json = |name| serde_json::from_slice::<Value>(&read(name)).unwrap();
        match self {
            Self::Remove(name) => fs::remove_file(folder.join(name)).unwrap(),
            Self::Rename(from, to) => fs::rename(folder.join(from), folder.join(to)).unwrap(),
            Self::Write(name, content) => write(folder, name, content),
            Self::Cut(name, bytes) => write(folder, name, &read(name)[..read(name).len() - bytes]),
            Self::With(name, pointer, value) => {
                let mut json = json(name);
                let (parent, key) = pointer.rsplit_once('/').unwrap();
                json.pointer_mut(parent).unwrap()[key] = value;
                write(folder, name, json.to_string());
            }
            Self::Without(name, key) => {
                let mut json = json(name);
                json.as_object_mut().unwrap().remove(key).unwrap();
                write(folder, name, json.to_string());
            }
        }
    }
}

fn damages() -> Vec<(Damage, &'static str)> {
    use Damage::{Cut, Remove, Rename, With, Without, Write};
    vec![
        (Remove("config.json"), "config.json is missing: it says what kind of model this is"),
        (Write("config.json", b"{".to_vec()), "config.json: EOF while parsing an object at line 1 column 1"),
        (Write("config.json", b"[]".to_vec()), "config.json: invalid type: sequence, expected a map at line 1 column 0"),
        (With("config.json", "/architectures", json!([])), "config.json: architectures must name one architecture, it names 0"),
        (With("config.json", "/architectures", json!(["A", "B"])), "config.json: architectures must name one architecture, it names 2"),
        (With("config.json", "/architectures", json!(["QWenLMHeadModel"])), "config.json: the local engine cannot run QWenLMHeadModel: use Qwen2.5 or Qwen3, or a compatible server that runs it"),
        (With("config.json", "/architectures", json!(["ChatGLMModel"])), "config.json: the local engine cannot run ChatGLMModel: use GLM-4-0414, Qwen2.5 or Qwen3, or a compatible server that runs it"),
        (With("config.json", "/architectures", json!(["ChatGLMForConditionalGeneration"])), "config.json: the local engine cannot run ChatGLMForConditionalGeneration: use GLM-4-0414, Qwen2.5 or Qwen3, or a compatible server that runs it"),
        (With("config.json", "/architectures", json!(["GlmForCausalLM"])), "config.json: the local engine cannot run GlmForCausalLM: use GLM-4-0414, Qwen2.5 or Qwen3, or a compatible server that runs it"),
        (With("config.json", "/architectures", json!(["BaichuanForCausalLM"])), "config.json: the local engine cannot run BaichuanForCausalLM: use a Qwen2.5, Qwen3, Llama or Mistral model, or a compatible server that runs it"),
        (With("config.json", "/architectures", json!(["Qwen2VLForConditionalGeneration"])), "config.json: the local engine cannot run Qwen2VLForConditionalGeneration: a multimodal model runs on a compatible server: kind = \"openai\" with images = true"),
        (With("config.json", "/architectures", json!(["Gemma3ForConditionalGeneration"])), "config.json: the local engine cannot run Gemma3ForConditionalGeneration: a multimodal model runs on a compatible server: kind = \"openai\" with images = true"),
        (With("config.json", "/architectures", json!(["InternLMForCausalLM"])), "config.json: the local engine cannot run InternLMForCausalLM: use a Qwen2.5, Qwen3, Llama or Mistral model, or a compatible server that runs it"),
        (With("config.json", "/architectures", json!(["InternLM2ForCausalLM"])), "config.json: the local engine cannot run InternLM2ForCausalLM: use a Qwen2.5, Qwen3, Llama or Mistral model, or a compatible server that runs it"),
        (With("config.json", "/architectures", json!(["LLaMAForCausalLM"])), "config.json: the local engine cannot run LLaMAForCausalLM: anima convert writes its folder in the form of today"),
        (With("config.json", "/quantization_config", json!({"quant_method": "gptq", "bits": 4, "group_size": 128})), "config.json: the local engine cannot run GPTQ weights on device cpu, only on cuda: take the model's unquantized folder with isq = \"Q4K\", or a GGUF file of it"),
        (With("config.json", "/quantization_config", json!({"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"})), "config.json: the local engine cannot run AWQ weights on device cpu, only on cuda: take the model's unquantized folder with isq = \"Q4K\", or a GGUF file of it"),
        (Write("quantize_config.json", b"{}".to_vec()), "quantize_config.json: the local engine cannot run GPTQ weights whose config.json has no quantization_config: take the model's unquantized folder with isq = \"Q4K\", or a GGUF file of it"),
        (With("config.json", "/architectures", json!(["GptOssForCausalLM"])), "config.json: the local engine cannot run GptOssForCausalLM: use a Qwen2.5, Qwen3, Llama or Mistral model, or a compatible server that runs it"),
        (Without("config.json", "max_window_layers"), "config.json: max_window_layers is missing, and Qwen3ForCausalLM needs it"),
        (With("config.json", "/vocab_size", json!(259)), "config.json: vocab_size is 259, and tokenizer.json has token \"<|end|>\" with the number 259"),
        (With("config.json", "/hidden_act", json!("wobble")), "the engine could not load FOLDER: unknown variant `wobble`, expected one of `gelu`, `gelu_new`, `newgelu`, `relu`, `relu2`, `relu6`, `silu`, `sigmoid`, `hardsigmoid`, `swiglu`, `swish`, `hardswish`, `elu`, `leakyrelu`, `gelu_pytorch_tanh`, `gelupytorchtanh`, `quickgelu` at line 1 column 259"),
        (With("config.json", "/hidden_size", json!(96)), "the engine could not load FOLDER: shape mismatch for model.embed_tokens.weight, expected: [288, 96], got: [288, 64]"),
        (With("config.json", "/num_hidden_layers", json!(3)), "the engine could not load FOLDER: cannot find tensor model.layers.2.self_attn.q_norm.weight"),
        (Remove("tokenizer.json"), "tokenizer.json is missing: it comes with the model"),
        (Rename("tokenizer.json", "tokenizer.model"), "tokenizer.json is missing: anima convert makes it from tokenizer.model"),
        (Write("tokenizer.json", b"no".to_vec()), "tokenizer.json: expected ident at line 1 column 2"),
        (Without("tokenizer.json", "added_tokens"), "tokenizer.json: added_tokens must be a list"),
        (With("tokenizer.json", "/model/vocab", json!([["a", 0.0]])), "tokenizer.json: model.vocab must be an object: the engine reads no Unigram vocabularies"),
        (With("tokenizer.json", "/model/merges", json!(7)), "tokenizer.json: data did not match any variant of untagged enum MergeType at line 1 column 3048"),
        (Write("tokenizer_config.json", b"{]".to_vec()), "tokenizer_config.json: key must be a string at line 1 column 2"),
        (With("tokenizer_config.json", "/additional_special_tokens", json!([{"content": "x"}])), "tokenizer_config.json: invalid type: map, expected a string at line 1 column 251"),
        (With("tokenizer_config.json", "/eos_token", json!("</s>")), "tokenizer_config.json: eos_token \"</s>\" is not in the vocabulary of tokenizer.json"),
        (Without("tokenizer_config.json", "chat_template"), "FOLDER has no chat template: set chat_template to a jinja file, or text_only = true to take finished prompts only"),
        (With("tokenizer_config.json", "/chat_template", json!("{% if %}")), "tokenizer_config.json: the chat template: syntax error: unexpected end of block (in chat_template:1)"),
        (Write("tokenizer_config.json", br#"{"chat_template": "{{ messages }}"}"#.to_vec()), "tokenizer_config.json: eos_token is missing, so an answer would never end"),
        (Write("generation_config.json", b"{".to_vec()), "generation_config.json: EOF while parsing an object at line 1 column 1"),
        (Write("generation_config.json", br#"{"eos_token_id": [259, 4711]}"#.to_vec()), "generation_config.json: eos_token_id 4711 is not a token of tokenizer.json"),
        (Write("generation_config.json", br#"{"temperature": "hot"}"#.to_vec()), "generation_config.json: invalid type: string \"hot\", expected f64 at line 1 column 21"),
        (Remove("model.safetensors"), "model.safetensors is missing: there are no weights in this folder"),
        (Rename("model.safetensors", "pytorch_model.bin"), "pytorch_model.bin: the engine reads no pickles: anima convert makes safetensors of it"),
        (Write("model.safetensors", b"short".to_vec()), "model.safetensors: the file is truncated: 5 bytes are no safetensors header"),
        (Write("model.safetensors", [9, 0, 0, 0, 0, 0, 0, 0, b'{'].to_vec()), "model.safetensors: the file is truncated: its header has 9 bytes, the file 9"),
        (Write("model.safetensors", b"<html>no weights here</html>".to_vec()), "model.safetensors: this is not a safetensors file"),
        (Write("model.safetensors", [2, 0, 0, 0, 0, 0, 0, 0, b'{', b']'].to_vec()), "model.safetensors: the header is not JSON: key must be a string at line 1 column 2"),
        (Cut("model.safetensors", 100), "model.safetensors: the file is truncated: its tensors have 443904 bytes, 443804 are there"),
        (Write("model.safetensors", safetensors(&weights(Shape::default(), true)[1..])), "the engine could not load FOLDER: cannot find tensor model.embed_tokens.weight"),
        (Write("model.safetensors.index.json", br#"{"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}"#.to_vec()), "model-00002-of-00002.safetensors is missing: model.safetensors.index.json names it"),
    ]
}

#[tokio::test]
async fn a_broken_folder_is_refused_in_one_line() {
    for (number, (damage, expected)) in damages().into_iter().enumerate() {
        let folder = qwen3(Shape::default());
        damage.apply(folder.path());
        let line = refusal(folder.path(), LocalSettings::new(folder.path())).await;
        assert_eq!(line, expected, "case {number}");
    }
}

#[tokio::test]
async fn a_llama_folder_that_the_engine_would_misread_is_refused_in_one_line() {
    use Damage::{With, Without};
    for (damage, expected) in [
        (
            Without("config.json", "rope_theta"),
            "config.json: rope_theta is missing, and LlamaForCausalLM needs it; anima convert adds what old folders leave out",
        ),
        (
            Without("config.json", "num_key_value_heads"),
            "config.json: num_key_value_heads is missing, and LlamaForCausalLM needs it; anima convert adds what old folders leave out",
        ),
        (
            With("config.json", "/attention_bias", json!(true)),
            "config.json: the local engine cannot run LlamaForCausalLM with attention_bias: use a GGUF file of the model, or a compatible server that runs it",
        ),
        (
            With("config.json", "/head_dim", json!(32)),
            "config.json: the local engine cannot run LlamaForCausalLM whose head_dim is not hidden_size / num_attention_heads: use a GGUF file of the model, or a compatible server that runs it",
        ),
    ] {
        let folder = llama(Shape::default());
        damage.apply(folder.path());
        let line = refusal(folder.path(), LocalSettings::new(folder.path())).await;
        assert_eq!(line, expected);
    }
}

#[tokio::test]
async fn a_wrong_path_or_setting_is_refused_in_one_line() {
    let folder = qwen3(Shape::default());
    let path = folder.path();
    let at = |name: &str| LocalSettings::new(path.join(name));
    let with = |change: fn(&mut LocalSettings)| {
        let mut settings = LocalSettings::new(path);
        change(&mut settings);
        settings
    };
    for (settings, expected) in [
        (at("nothing"), "nothing does not exist"),
        (at("config.json"), "config.json is neither a model folder nor a .gguf file"),
        (with(|settings| settings.queue = 0), "queue must be at least 1"),
        (with(|settings| settings.context_length = Some(1)), "context_length must be at least 2"),
        (
            with(|settings| settings.gpu_memory_utilization = Some(0.9)),
            "gpu_memory_utilization must be left out on a CPU, where PagedAttention does not exist",
        ),
        (
            with(|settings| settings.block_size = Some(16)),
            "block_size must be left out on a CPU, where PagedAttention does not exist",
        ),
        (
            with(|settings| settings.max_num_seqs = Some(4)),
            "max_num_seqs must be left out on a CPU, which answers one turn at a time",
        ),
        (
            with(|settings| settings.device = Device::Cuda),
            "device cuda is not in this build: build with --features cuda, or set device to cpu",
        ),
        (
            with(|settings| settings.dtype = Precision::Bf16),
            "dtype must be auto, f32 or f16 on a CPU, which cannot multiply bf16",
        ),
        (
            with(|settings| settings.isq = Some(Quantization::Afq4)),
            "isq must be one of Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q8_1 Q2K Q3K Q4K Q5K Q6K Q8K HQQ4 HQQ8 on a CPU",
        ),
        (
            with(|settings| {
                settings.sampling = Sampling { temperature: Some(9.0), ..Sampling::default() }
            }),
            "sampling.temperature must be 0 to 2",
        ),
        (
            with(|settings| settings.chat_template = Some("/no/such.jinja".into())),
            "/no/such.jinja: No such file or directory (os error 2)",
        ),
    ] {
        assert_eq!(refusal(path, settings).await, expected);
    }
}

#[tokio::test]
async fn a_broken_gguf_file_is_refused_in_one_line() {
    let folder = gguf::folder("qwen2");
    let path = folder.path();
    let good = fs::read(path.join("tiny.gguf")).unwrap();
    let settings = || LocalSettings::new(path.join("tiny.gguf"));
    let cases: [(&str, Vec<u8>, &str); 4] = [
        (
            "magic",
            b"GGML".to_vec(),
            "tiny.gguf: this is not a GGUF file: it does not begin with GGUF",
        ),
        (
            "version",
            [b"GGUF".as_slice(), &9_u32.to_le_bytes()].concat(),
            "tiny.gguf: GGUF version 9 is not supported, 2 and 3 are",
        ),
        ("header", good[..200].to_vec(), "tiny.gguf: the file is truncated"),
        ("data", good[..good.len() - 64].to_vec(), "tiny.gguf: the file is truncated: it needs "),
    ];
    for (name, content, expected) in cases {
        write(path, "tiny.gguf", content);
        let line = refusal(path, settings()).await;
        assert!(line.starts_with(expected), "{name}: {line}");
    }
    write(path, "tiny.gguf", &good);
    let mut quantized = settings();
    quantized.isq = Some(Quantization::Q4K);
    assert_eq!(
        refusal(path, quantized).await,
        "isq must be left out for a GGUF file, which is quantized already"
    );
    Damage::Remove("tokenizer.json").apply(path);
    assert_eq!(
        refusal(path, settings()).await,
        "tokenizer.json is missing: a GGUF file needs the tokenizer.json of its original model beside it"
    );
    let folder = gguf::folder("chatglm");
    assert_eq!(
        refusal(folder.path(), LocalSettings::new(folder.path().join("tiny.gguf"))).await,
        "tiny.gguf: the local engine cannot run the GGUF architecture chatglm: use a llama, qwen2 or qwen3 file, or llama.cpp's server as a compatible server"
    );
}

#[test]
fn settings_are_read_with_their_defaults_and_nothing_else() {
    let read = |json: Value| serde_json::from_value::<LocalSettings>(json);
    assert_eq!(read(json!({"model": "m"})).unwrap(), LocalSettings::new("m"));
    let settings =
        read(json!({"model": "m", "isq": "Q4K", "dtype": "f16", "device": "metal", "queue": 3}))
            .unwrap();
    assert_eq!(
        (settings.isq, settings.dtype, settings.device),
        (Some(Quantization::Q4K), Precision::F16, Device::Metal)
    );
    let settings =
        read(json!({"model": "m", "max_model_len": 2048, "gpu_memory_utilization": 0.85,
        "block_size": 16, "max_num_seqs": 1}))
        .unwrap();
    assert_eq!(
        (
            settings.context_length,
            settings.gpu_memory_utilization,
            settings.block_size,
            settings.max_num_seqs
        ),
        (Some(2048), Some(0.85), Some(16), Some(1))
    );
    assert!(read(json!({"model": "m", "max_model_len": 1, "context_length": 1})).is_err());
    assert!(read(json!({"model": "m", "batching": true})).is_err());
    assert!(read(json!({"model": "m", "typo": 1})).is_err());
    assert!(read(json!({"model": "m", "isq": "Q4_Z"})).is_err());
    // The fixture's own files are what the checks above start from.
    assert!(tokenizer()["added_tokens"].is_array() && tokenizer_config()["eos_token"].is_string());
}
