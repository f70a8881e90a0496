//! A GGUF file, written by hand.

use anima_local::{LocalProvider, LocalSettings};
use anima_provider::contract;

use crate::{
    fixture::{Folder, Shape, Tensor, tokenizer, tokenizer_config, weights, write},
    support::{ask, question},
};

enum Entry<'a> {
    Text(&'a str),
    Number(u32),
    Float(f32),
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// The name that llama.cpp gives a tensor.
fn renamed(name: &str) -> String {
    let name = name.strip_prefix("model.").unwrap_or(name);
    let mut name = name.replace("layers.", "blk.");
    for (long, short) in [
        ("embed_tokens", "token_embd"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("lm_head", "output"),
    ] {
        name = name.replace(long, short);
    }
    if name == "norm.weight" { "output_norm.weight".to_owned() } else { name }
}

fn file(architecture: &str, shape: Shape, tensors: &[Tensor]) -> Vec<u8> {
    let number = |value: usize| Entry::Number(u32::try_from(value).unwrap());
    let entries = [
        ("general.architecture".to_owned(), Entry::Text(architecture)),
        ("general.alignment".to_owned(), Entry::Number(32)),
        (format!("{architecture}.block_count"), number(Shape::LAYERS)),
        (format!("{architecture}.context_length"), number(shape.context)),
        (format!("{architecture}.embedding_length"), number(shape.hidden)),
        (format!("{architecture}.attention.head_count"), number(Shape::HEADS)),
        (format!("{architecture}.attention.head_count_kv"), number(Shape::GROUPS)),
        (format!("{architecture}.rope.dimension_count"), number(shape.head())),
        (format!("{architecture}.attention.layer_norm_rms_epsilon"), Entry::Float(1e-6)),
        (format!("{architecture}.rope.freq_base"), Entry::Float(10000.0)),
    ];
    let mut bytes = [b"GGUF".as_slice(), &3_u32.to_le_bytes()].concat();
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((entries.len() as u64).to_le_bytes());
    for (key, entry) in entries {
        bytes.extend(text(&key));
        match entry {
            Entry::Number(value) => {
                bytes.extend([4_u32.to_le_bytes(), value.to_le_bytes()].concat());
            }
            Entry::Float(value) => {
                bytes.extend([6_u32.to_le_bytes(), value.to_le_bytes()].concat());
            }
            Entry::Text(value) => {
                bytes.extend(8_u32.to_le_bytes());
                bytes.extend(text(value));
            }
        }
    }
    let mut data: Vec<u8> = Vec::new();
    for tensor in tensors {
        bytes.extend(text(&renamed(&tensor.name)));
        bytes.extend(u32::try_from(tensor.shape.len()).unwrap().to_le_bytes());
        for length in tensor.shape.iter().rev() {
            bytes.extend((*length as u64).to_le_bytes());
        }
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend((data.len() as u64).to_le_bytes());
        data.extend(tensor.values.iter().flat_map(|value| value.to_le_bytes()));
        data.resize(data.len().next_multiple_of(32), 0);
    }
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes.extend(data);
    bytes
}

/// `tiny.gguf` with its tokenizer; an architecture whose file is no real one serves broken-file tests.
pub(crate) fn folder(architecture: &str) -> Folder {
    let folder = Folder::new();
    let path = folder.path();
    let shape = Shape::default();
    write(path, "tiny.gguf", file(architecture, shape, &weights(shape, architecture == "qwen3")));
    write(path, "tokenizer.json", tokenizer().to_string());
    write(path, "tokenizer_config.json", tokenizer_config().to_string());
    folder
}

#[tokio::test]
async fn a_gguf_file_keeps_the_contract() {
    for architecture in ["qwen3", "llama"] {
        let folder = folder(architecture);
        let settings = LocalSettings::new(folder.path().join("tiny.gguf"));
        let provider = LocalProvider::load("tiny", settings).await.unwrap();
        assert_eq!(provider.model(), "tiny.gguf");
        let first = contract::answer(&provider, question("你好")).await.unwrap();
        assert_eq!(ask(&provider, question("你好")).await.text, first.text);
    }
}
