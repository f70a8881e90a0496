//! `docs/models.md` and `docs/gpu.md`: every entry can be pasted, and every figure is what its
//! formula gives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::{collections::BTreeMap, fs, path::Path};

use anima::settings::{Overrides, Settings};

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// The blocks of TOML in the document.
fn blocks(document: &str) -> Vec<&str> {
    document.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// The settings with a block as the profile.
fn load(block: &str) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/base.toml");
    fs::copy(base, folder.path().join("base.toml")).unwrap();
    fs::write(folder.path().join("local.toml"), block).unwrap();
    Settings::load(folder.path(), "local", &Overrides::default())
        .unwrap_or_else(|error| panic!("{error:?} in\n{block}"))
}

#[test]
fn every_entry_is_read_by_the_settings() {
    let (document, gpu) = (document("models.md"), document("gpu.md"));
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for block in blocks(&document).into_iter().chain(blocks(&gpu)) {
        let settings = load(block);
        let shipped = load("").providers;
        for (name, provider) in
            settings.providers.iter().filter(|(name, _)| !shipped.contains_key(*name))
        {
            assert_eq!(provider.kind, "local", "{name}");
            let model = provider.options["model"].as_str().unwrap().to_owned();
            assert!(
                seen.insert(name.clone(), model.clone()).is_none_or(|other| other == model),
                "{name}"
            );
            #[cfg(feature = "local")]
            {
                let options = serde_json::Value::Object(provider.options.clone());
                let local: anima_local::LocalSettings = serde_json::from_value(options).unwrap();
                assert_eq!(local.model, Path::new(&model));
            }
        }
    }
    // The models that people name.
    for model in [
        "Chinese-LLaMA-2-7B-hf-converted",
        "Chinese-LLaMA-2-13B-hf-converted",
        "Qwen2.5-0.5B-Instruct",
        "Qwen2.5-1.5B-Instruct",
        "Qwen2.5-3B-Instruct",
        "Qwen2.5-7B-Instruct",
        "Qwen3-0.6B",
        "Qwen3-1.7B",
        "Qwen3-4B",
        "Qwen3-8B",
        "Llama-2-7b-chat-hf-converted",
        "Llama-2-13b-chat-hf-converted",
        "Meta-Llama-3-8B-Instruct",
        "Llama-3.1-8B-Instruct",
        "Llama-3.2-1B-Instruct",
        "Llama-3.2-3B-Instruct",
    ] {
        let folder = format!("models/{model}");
        assert!(seen.values().any(|known| *known == folder), "{model} has no entry");
        let row = format!("/{} |", model.trim_end_matches("-converted"));
        assert!(document.contains(&row), "{model} has no figures");
    }
}

/// The numbers of a model's configuration.
struct Shape {
    vocabulary: u32,
    hidden: u32,
    inner: u32,
    layers: u32,
    heads: u32,
    groups: u32,
    head: u32,
    tied: bool,
}

impl Shape {
    fn matrices(&self) -> f64 {
        let attention = 2 * (self.heads + self.groups) * self.head * self.hidden;
        f64::from(self.layers) * f64::from(attention + 3 * self.hidden * self.inner)
    }

    fn table(&self) -> f64 {
        f64::from(self.vocabulary) * f64::from(self.hidden)
    }

    fn context(&self, bytes: f64) -> f64 {
        4096.0 * 2.0 * f64::from(self.layers * self.groups * self.head) * bytes
    }

    /// In billions; norms and biases are lost in the rounding.
    fn parameters(&self) -> f64 {
        (self.matrices() + self.table() * if self.tied { 1.0 } else { 2.0 }) / 1e9
    }

    fn memory(&self, bits: f64) -> f64 {
        let weights = (self.matrices() + self.table()) * bits / 8.0 + self.table() * 4.0;
        1.1 * (weights + self.context(4.0)) / 1e9
    }

    fn gpu_memory(&self) -> f64 {
        1.1 * (self.parameters() * 2.0 + self.context(2.0) / 1e9)
    }
}

/// Shapes as the models' `config.json` give them: vocabulary, hidden, inner, layers, heads,
/// key-value heads, width of a head, tied.
const SHAPES: &[(&str, [u32; 7], bool)] = &[
    ("Qwen/Qwen2.5-0.5B-Instruct", [151_936, 896, 4_864, 24, 14, 2, 64], true),
    ("Qwen/Qwen2.5-1.5B-Instruct", [151_936, 1_536, 8_960, 28, 12, 2, 128], true),
    ("Qwen/Qwen2.5-3B-Instruct", [151_936, 2_048, 11_008, 36, 16, 2, 128], true),
    ("Qwen/Qwen2.5-7B-Instruct", [152_064, 3_584, 18_944, 28, 28, 4, 128], false),
    ("Qwen/Qwen3-0.6B", [151_936, 1_024, 3_072, 28, 16, 8, 128], true),
    ("Qwen/Qwen3-1.7B", [151_936, 2_048, 6_144, 28, 16, 8, 128], true),
    ("Qwen/Qwen3-4B", [151_936, 2_560, 9_728, 36, 32, 8, 128], true),
    ("Qwen/Qwen3-8B", [151_936, 4_096, 12_288, 36, 32, 8, 128], false),
    ("meta-llama/Llama-3.2-1B-Instruct", [128_256, 2_048, 8_192, 16, 32, 8, 64], true),
    ("meta-llama/Llama-3.2-3B-Instruct", [128_256, 3_072, 8_192, 28, 24, 8, 128], true),
    ("meta-llama/Llama-3.1-8B-Instruct", [128_256, 4_096, 14_336, 32, 32, 8, 128], false),
    ("meta-llama/Meta-Llama-3-8B-Instruct", [128_256, 4_096, 14_336, 32, 32, 8, 128], false),
    ("meta-llama/Llama-2-7b-chat-hf", [32_000, 4_096, 11_008, 32, 32, 32, 128], false),
    ("meta-llama/Llama-2-13b-chat-hf", [32_000, 5_120, 13_824, 40, 40, 40, 128], false),
    ("Linly-AI/Chinese-LLaMA-2-7B-hf", [40_076, 4_096, 11_008, 32, 32, 32, 128], false),
    ("Linly-AI/Chinese-LLaMA-2-13B-hf", [40_076, 5_120, 13_824, 40, 40, 40, 128], false),
];

#[test]
fn every_figure_of_memory_follows_from_the_formula() {
    let document = document("models.md");
    for (model, [vocabulary, hidden, inner, layers, heads, groups, head], tied) in SHAPES {
        let shape = Shape {
            vocabulary: *vocabulary,
            hidden: *hidden,
            inner: *inner,
            layers: *layers,
            heads: *heads,
            groups: *groups,
            head: *head,
            tied: *tied,
        };
        let start = format!("| {model} | ");
        let row = document.lines().find(|line| line.starts_with(&start)).expect(model);
        let shown: Vec<f64> =
            row.split('|').skip(2).filter_map(|cell| cell.trim().parse().ok()).collect();
        let computed =
            [shape.parameters(), shape.memory(4.5), shape.memory(8.5), shape.gpu_memory()];
        assert_eq!(shown.len(), computed.len(), "{row}");
        for (shown, computed) in shown.iter().zip(computed) {
            assert!((shown - computed).abs() <= 0.06, "{model}: {shown} is {computed:.2}");
        }
    }
    assert_eq!(SHAPES.len(), 16);
}
