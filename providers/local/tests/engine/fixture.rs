//! Tiny models: real files, seeded random weights, a byte-level tokenizer.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Map, Value, json};

/// The special tokens, numbered from 256.
pub(crate) const SPECIAL: [&str; 4] = ["<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>"];
/// Enough for all tokens and a multiple of 32.
pub(crate) const VOCABULARY: usize = 288;
const TEMPLATE: &str = "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '<|end|>' }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

/// The numbers of a model.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) hidden: usize,
    pub(crate) context: usize,
}

impl Shape {
    pub(crate) const HEADS: usize = 4;
    pub(crate) const GROUPS: usize = 2;
    pub(crate) const LAYERS: usize = 2;

    pub(crate) fn head(self) -> usize {
        self.hidden / Self::HEADS
    }

    pub(crate) fn inner(self) -> usize {
        self.hidden * 2
    }
}

impl Default for Shape {
    fn default() -> Self {
        Self { hidden: 64, context: 1024 }
    }
}

/// A tensor as the files know it.
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

/// Seeded numbers between −1 and 1.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        f32::from(u16::try_from(self.0 >> 48).unwrap()) / 32768.0 - 1.0
    }
}

/// The weights of a Qwen3 or Llama model, with the names of a safetensors folder.
pub(crate) fn weights(shape: Shape, query_norms: bool) -> Vec<Tensor> {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut tensors = Vec::new();
    let mut add = |name: String, dimensions: Vec<usize>| {
        let count = dimensions.iter().product();
        let values = if dimensions.len() == 1 {
            vec![1.0; count]
        } else {
            (0..count).map(|_| random.next() * 0.3).collect()
        };
        tensors.push(Tensor { name, shape: dimensions, values });
    };
    let (hidden, inner) = (shape.hidden, shape.inner());
    let (queries, keys) = (Shape::HEADS * shape.head(), Shape::GROUPS * shape.head());
    add("model.embed_tokens.weight".to_owned(), vec![VOCABULARY, hidden]);
    for layer in 0..Shape::LAYERS {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        add(name("input_layernorm"), vec![hidden]);
        add(name("post_attention_layernorm"), vec![hidden]);
        add(name("self_attn.q_proj"), vec![queries, hidden]);
        add(name("self_attn.k_proj"), vec![keys, hidden]);
        add(name("self_attn.v_proj"), vec![keys, hidden]);
        add(name("self_attn.o_proj"), vec![hidden, queries]);
        if query_norms {
            add(name("self_attn.q_norm"), vec![shape.head()]);
            add(name("self_attn.k_norm"), vec![shape.head()]);
        }
        add(name("mlp.gate_proj"), vec![inner, hidden]);
        add(name("mlp.up_proj"), vec![inner, hidden]);
        add(name("mlp.down_proj"), vec![hidden, inner]);
    }
    add("model.norm.weight".to_owned(), vec![hidden]);
    add("lm_head.weight".to_owned(), vec![VOCABULARY, hidden]);
    tensors
}

/// A safetensors file.
pub(crate) fn safetensors(tensors: &[Tensor]) -> Vec<u8> {
    let mut header = Map::new();
    let mut data = Vec::new();
    for tensor in tensors {
        let start = data.len();
        data.extend(tensor.values.iter().flat_map(|value| value.to_le_bytes()));
        let entry =
            json!({"dtype": "F32", "shape": tensor.shape, "data_offsets": [start, data.len()]});
        header.insert(tensor.name.clone(), entry);
    }
    let header = Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()
}

/// A byte-level tokenizer: 256 bytes, then [`SPECIAL`].
pub(crate) fn tokenizer() -> Value {
    // The byte alphabet of GPT-2: printable bytes stand for themselves, others for U+0100 and up.
    let mut vocabulary = Map::new();
    let mut next = 0x100;
    for byte in 0..=255_u32 {
        let printable = matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
        let letter = if printable { byte } else { next };
        next += u32::from(!printable);
        vocabulary.insert(char::from_u32(letter).unwrap().to_string(), json!(byte));
    }
    let added: Vec<_> = (256..)
        .zip(SPECIAL)
        .map(|(id, content)| {
            json!({
        "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true })
        })
        .collect();
    let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    json!({"version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": level, "post_processor": null, "decoder": level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": []}})
}

pub(crate) fn tokenizer_config() -> Value {
    json!({"bos_token": null, "eos_token": "<|end|>", "model_max_length": 1024, "chat_template": TEMPLATE})
}

fn config(architecture: &str, shape: Shape) -> Value {
    let mut config = json!({"architectures": [architecture], "vocab_size": VOCABULARY, "hidden_size": shape.hidden,
        "intermediate_size": shape.inner(), "num_hidden_layers": Shape::LAYERS,
        "num_attention_heads": Shape::HEADS, "num_key_value_heads": Shape::GROUPS,
        "max_position_embeddings": shape.context, "rope_theta": 10000.0, "rms_norm_eps": 1e-6,
        "hidden_act": "silu", "tie_word_embeddings": false});
    if architecture == "Qwen3ForCausalLM" {
        config["max_window_layers"] = json!(Shape::LAYERS);
        config["use_sliding_window"] = json!(false);
        config["head_dim"] = json!(shape.head());
    }
    config
}

/// A folder that is removed when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name =
            format!("anima-local-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    fs::write(folder.join(name), content).unwrap();
}

pub(crate) fn qwen3(shape: Shape) -> Folder {
    folder("Qwen3ForCausalLM", shape)
}

pub(crate) fn llama(shape: Shape) -> Folder {
    folder("LlamaForCausalLM", shape)
}

fn folder(architecture: &str, shape: Shape) -> Folder {
    let folder = Folder::new();
    let path = folder.path();
    write(path, "config.json", config(architecture, shape).to_string());
    write(path, "tokenizer.json", tokenizer().to_string());
    write(path, "tokenizer_config.json", tokenizer_config().to_string());
    write(
        path,
        "model.safetensors",
        safetensors(&weights(shape, architecture == "Qwen3ForCausalLM")),
    );
    folder
}

/// A Qwen3-Embedding model: the same transformer without an output, names without their prefix, a
/// tokenizer that ends each text, and the modules that make one vector of its last token.
pub(crate) fn embedding(shape: Shape) -> Folder {
    let folder = Folder::new();
    let path = folder.path();
    write(path, "config.json", config("Qwen3ForCausalLM", shape).to_string());
    let mut tokenizer = tokenizer();
    let single = json!([{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": SPECIAL[0], "type_id": 0}}]);
    tokenizer["post_processor"] = json!({"type": "TemplateProcessing", "single": single,
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {SPECIAL[0]: {"id": SPECIAL[0], "ids": [256], "tokens": [SPECIAL[0]]}}});
    write(path, "tokenizer.json", tokenizer.to_string());
    let tensors = weights(shape, true).into_iter().filter_map(|mut tensor| {
        tensor.name = tensor.name.strip_prefix("model.")?.to_owned();
        Some(tensor)
    });
    write(path, "model.safetensors", safetensors(&tensors.collect::<Vec<_>>()));
    let module = |number: usize, path: &str, kind: &str| {
        json!({"idx": number, "name": number.to_string(), "path": path,
            "type": format!("sentence_transformers.models.{kind}")})
    };
    let modules = json!([
        module(0, "", "Transformer"),
        module(1, "1_Pooling", "Pooling"),
        module(2, "2_Normalize", "Normalize")
    ]);
    write(path, "modules.json", modules.to_string());
    fs::create_dir(path.join("1_Pooling")).unwrap();
    write(path, "1_Pooling/config.json", pooling(shape, "pooling_mode_lasttoken").to_string());
    folder
}

/// How the vectors of the tokens become one.
pub(crate) fn pooling(shape: Shape, mode: &str) -> Value {
    let mut pooling = json!({"word_embedding_dimension": shape.hidden, "include_prompt": true});
    for other in [
        "pooling_mode_cls_token",
        "pooling_mode_mean_tokens",
        "pooling_mode_max_tokens",
        "pooling_mode_mean_sqrt_len_tokens",
        "pooling_mode_weightedmean_tokens",
        "pooling_mode_lasttoken",
    ] {
        pooling[other] = json!(other == mode);
    }
    pooling
}

/// An EmbeddingGemma model as far as its configuration: what it sees of a text is limited.
pub(crate) fn gemma_embedding() -> Folder {
    let folder = embedding(Shape::default());
    let path = folder.path();
    let (hidden, inner, head) = (64, 96, 16);
    let config = json!({"architectures": ["Gemma3TextModel"], "vocab_size": VOCABULARY, "hidden_size": hidden,
        "intermediate_size": inner, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 1,
        "head_dim": head, "max_position_embeddings": 512, "sliding_window": 64, "sliding_window_pattern": 2,
        "query_pre_attn_scalar": head, "rope_theta": 1e6, "rope_local_base_freq": 1e4, "rms_norm_eps": 1e-6,
        "attention_bias": false, "hidden_activation": "gelu_pytorch_tanh", "attn_logit_softcapping": null,
        "final_logit_softcapping": null, "rope_scaling": null, "use_bidirectional_attention": true});
    write(path, "config.json", config.to_string());
    let mut random = Random(0x1234_5678_9ABC_DEF1);
    let mut tensors = Vec::new();
    let mut add = |name: String, shape: Vec<usize>| {
        let values = (0..shape.iter().product()).map(|_| random.next() * 0.2).collect();
        tensors.push(Tensor { name, shape, values });
    };
    add("embed_tokens.weight".to_owned(), vec![VOCABULARY, hidden]);
    for layer in 0..2 {
        let name = |part: &str| format!("layers.{layer}.{part}.weight");
        for norm in ["input", "post_attention", "pre_feedforward", "post_feedforward"] {
            add(name(&format!("{norm}_layernorm")), vec![hidden]);
        }
        for (part, shape) in [
            ("self_attn.q_proj", [4 * head, hidden]),
            ("self_attn.k_proj", [head, hidden]),
            ("self_attn.v_proj", [head, hidden]),
            ("self_attn.o_proj", [hidden, 4 * head]),
            ("mlp.gate_proj", [inner, hidden]),
            ("mlp.up_proj", [inner, hidden]),
            ("mlp.down_proj", [hidden, inner]),
        ] {
            add(name(part), shape.to_vec());
        }
        add(name("self_attn.q_norm"), vec![head]);
        add(name("self_attn.k_norm"), vec![head]);
    }
    add("norm.weight".to_owned(), vec![hidden]);
    write(path, "model.safetensors", safetensors(&tensors));
    let pooling = pooling(Shape::default(), "pooling_mode_mean_tokens");
    write(path, "1_Pooling/config.json", pooling.to_string());
    folder
}
