//! Small old folders, and short ways to convert them.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod torch;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anima_convert::{ConvertError, Progress, Report, Request, convert};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A file that was made beforehand. The engine's tests use them, too, from another package.
pub(crate) fn data(name: &str) -> PathBuf {
    let places = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut places = places.map(|root| root.join("convert/tests/data"));
    places.find(|place| place.is_dir()).unwrap().join(name)
}

/// An old folder and the place of its conversion.
pub(crate) struct Folder {
    root: TempDir,
}

pub(crate) const HIDDEN: usize = 32;
pub(crate) const VOCABULARY: usize = 2432;

/// The tensors of a Llama model with one layer.
pub(crate) fn tensors() -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let mut state = 0x9E37_79B9_u32;
    let mut tensor = |name: &str, shape: &[usize]| {
        let count: usize = shape.iter().product();
        let values = (0..count).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if shape.len() == 1 {
                1.0
            } else {
                f32::from(u16::try_from(state >> 16).unwrap()) / 65536.0 - 0.5
            }
        });
        (name.to_owned(), shape.to_vec(), values.collect())
    };
    let square = [HIDDEN, HIDDEN];
    let mut all = vec![tensor("model.embed_tokens.weight", &[VOCABULARY, HIDDEN])];
    for (part, shape) in [
        ("input_layernorm.weight", &[HIDDEN][..]),
        ("post_attention_layernorm.weight", &[HIDDEN]),
        ("self_attn.q_proj.weight", &square),
        ("self_attn.k_proj.weight", &square),
        ("self_attn.v_proj.weight", &square),
        ("self_attn.o_proj.weight", &square),
        ("self_attn.rotary_emb.inv_freq", &[4]),
        ("mlp.gate_proj.weight", &[2 * HIDDEN, HIDDEN]),
        ("mlp.up_proj.weight", &[2 * HIDDEN, HIDDEN]),
        ("mlp.down_proj.weight", &[HIDDEN, 2 * HIDDEN]),
    ] {
        all.push(tensor(&format!("model.layers.0.{part}"), shape));
    }
    all.push(tensor("model.norm.weight", &[HIDDEN]));
    all.push(tensor("lm_head.weight", &[VOCABULARY, HIDDEN]));
    all
}

/// The checkpoint that holds these tensors.
pub(crate) fn checkpoint(tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
    let borrowed: Vec<torch::Tensor> =
        tensors.iter().map(|(name, shape, values)| (&name[..], &shape[..], &values[..])).collect();
    torch::checkpoint(&borrowed)
}

impl Folder {
    pub(crate) fn empty(name: &str) -> Self {
        let folder = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir(folder.root.path().join(name)).unwrap();
        fs::rename(folder.root.path().join(name), folder.path()).unwrap();
        folder
    }

    /// A Llama model as the first ones were published: pickles, SentencePiece, few numbers.
    pub(crate) fn llama() -> Self {
        let folder = Self::empty("old");
        folder.write("pytorch_model.bin", checkpoint(&tensors()));
        folder.copy("llama.model", "tokenizer.model");
        folder.write_json("config.json", &config());
        folder
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.root.path().join("old")
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.root.path().join("new")
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), content).unwrap();
    }

    pub(crate) fn write_json(&self, name: &str, content: &Value) {
        self.write(name, content.to_string());
    }

    pub(crate) fn copy(&self, from: &str, to: &str) {
        fs::copy(data(from), self.path().join(to)).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).unwrap();
    }

    pub(crate) fn request(&self) -> Request {
        Request { folder: self.path(), out: self.out(), template: None, resume: false }
    }

    pub(crate) fn convert(&self) -> Result<Report, ConvertError> {
        convert(&self.request(), &mut |_: Progress| {})
    }

    pub(crate) fn converted(&self, name: &str) -> Vec<u8> {
        fs::read(self.out().join(name)).unwrap()
    }

    pub(crate) fn converted_json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.converted(name)).unwrap()
    }
}

/// A configuration that leaves out what the first ones left out.
pub(crate) fn config() -> Value {
    json!({"architectures": ["LLaMAForCausalLM"], "model_type": "llama", "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN, "intermediate_size": 2 * HIDDEN, "num_hidden_layers": 1,
        "num_attention_heads": 4, "max_sequence_length": 512, "hidden_act": "silu", "rms_norm_eps": 1e-5})
}

/// The line that says why a folder is not converted, without the path of the folder.
pub(crate) fn refusal(folder: &Folder) -> String {
    let error = folder.convert().expect_err("it must be refused");
    let mut line = error.to_string();
    if let Some(source) = std::error::Error::source(&error) {
        line = format!("{line}: {source}");
    }
    assert!(!line.contains('\n') && !line.ends_with('.'), "{line:?}");
    assert!(!folder.out().exists(), "half a folder was left");
    line.replace(&format!("{}/", folder.path().display()), "")
        .replace(&folder.root.path().display().to_string(), "ROOT")
}

/// A tensor of a safetensors file.
#[derive(Debug, PartialEq)]
pub(crate) struct Read {
    pub(crate) name: String,
    pub(crate) dtype: String,
    pub(crate) shape: Value,
    pub(crate) bytes: Vec<u8>,
}

/// The tensors of a safetensors file, by their names.
pub(crate) fn read_safetensors(bytes: &[u8]) -> Vec<Read> {
    let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    assert_eq!(length % 8, 0, "the data is aligned");
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let data = &bytes[8 + length..];
    let mut end_of_last = 0;
    let mut all: Vec<Read> = Vec::new();
    for (name, entry) in header.as_object().unwrap() {
        if name == "__metadata__" {
            assert_eq!(entry, &json!({"format": "pt"}));
            continue;
        }
        let offset =
            |at: usize| usize::try_from(entry["data_offsets"][at].as_u64().unwrap()).unwrap();
        assert_eq!(offset(0), end_of_last, "the tensors leave no gap");
        end_of_last = offset(1);
        let bytes = data[offset(0)..offset(1)].to_vec();
        let dtype = entry["dtype"].as_str().unwrap().to_owned();
        all.push(Read { name: name.clone(), dtype, shape: entry["shape"].clone(), bytes });
    }
    assert_eq!(end_of_last, data.len());
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}
