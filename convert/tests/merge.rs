//! Adapters: the sum is what plain loops say it is, and nothing of an adapter is left out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod support;

use std::{fs, path::PathBuf};

use anima_convert::{ConvertError, MergeRequest, Progress, Report, merge};
use serde_json::{Value, json};
use support::{Read, checkpoint, data, read_safetensors};
use tempfile::TempDir;

/// A tensor in a test: its name, its shape and its values.
type Tensor = (String, Vec<usize>, Vec<f32>);

const HIDDEN: usize = 8;
const INNER: usize = 12;
const VOCABULARY: usize = 20;
const Q: &str = "model.layers.0.self_attn.q_proj";
const DOWN: &str = "model.layers.0.mlp.down_proj";
const TABLE: &str = "model.embed_tokens.weight";
const HEAD: &str = "lm_head.weight";

/// Seeded values that every number format has exactly.
fn tensor(name: &str, shape: &[usize]) -> Tensor {
    let mut state = name
        .bytes()
        .fold(7_u32, |state, byte| state.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let value = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f32::from(u8::try_from(state >> 26).unwrap()) - 31.5) / 16.0
    };
    let count = shape.iter().product::<usize>();
    (name.to_owned(), shape.to_vec(), (0..count).map(value).collect())
}

/// The bytes of values; BF16 is the upper half of F32, which these values have exactly.
fn bytes(dtype: &str, values: &[f32]) -> Vec<u8> {
    let of = |value: &f32| match dtype {
        "BF16" => value.to_le_bytes()[2..].to_vec(),
        _ => value.to_le_bytes().to_vec(),
    };
    values.iter().flat_map(of).collect()
}

fn safetensors(dtype: &str, tensors: &[Tensor]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut content = Vec::new();
    for (name, shape, values) in tensors {
        let start = content.len();
        content.extend(bytes(dtype, values));
        let entry = json!({"dtype": dtype, "shape": shape, "data_offsets": [start, content.len()]});
        header.insert(name.clone(), entry);
    }
    let header = Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &content].concat()
}

/// A model and an adapter, side by side.
struct Pair {
    root: TempDir,
    dtype: &'static str,
    base: Vec<Tensor>,
    adapter: Vec<Tensor>,
    config: Value,
}

impl Pair {
    /// A model whose input and output have tables of their own, and an adapter of rank 2.
    fn new(dtype: &'static str) -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["base", "adapter"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        let base = vec![
            tensor(TABLE, &[VOCABULARY, HIDDEN]),
            tensor(&format!("{Q}.weight"), &[HIDDEN, HIDDEN]),
            tensor(&format!("{Q}.bias"), &[HIDDEN]),
            tensor(&format!("{DOWN}.weight"), &[HIDDEN, INNER]),
            tensor("model.norm.weight", &[HIDDEN]),
            tensor(HEAD, &[VOCABULARY, HIDDEN]),
        ];
        let config = json!({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "none",
            "target_modules": ["q_proj", "down_proj"], "base_model_name_or_path": "some/Base"});
        let adapter = [low_rank(Q, HIDDEN, HIDDEN, 2), low_rank(DOWN, INNER, HIDDEN, 2)].concat();
        Self { root, dtype, base, adapter, config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    fn set(&mut self, key: &str, value: Value) -> &mut Self {
        self.config[key] = value;
        self
    }

    fn write_all(&self, model: &Value) {
        self.write("base/config.json", model.to_string());
        self.write("base/model.safetensors", safetensors(self.dtype, &self.base));
        self.write("base/tokenizer.json", r#"{"model": {"vocab": {"a": 19}}}"#);
        self.write("adapter/adapter_config.json", self.config.to_string());
        self.write("adapter/adapter_model.safetensors", safetensors("F32", &self.adapter));
    }

    fn request(&self) -> MergeRequest {
        MergeRequest {
            base: self.path("base"),
            adapter: self.path("adapter"),
            out: self.path("out"),
        }
    }

    /// Merges what was written.
    fn run(&self) -> Result<Report, ConvertError> {
        merge(&self.request(), &mut |_: Progress| {})
    }

    /// Writes the folders, merges, and gives back the new tensors.
    fn merged(&self) -> Vec<Read> {
        self.write_all(&json!({"vocab_size": VOCABULARY}));
        self.run().unwrap();
        self.read("model.safetensors")
    }

    fn read(&self, name: &str) -> Vec<Read> {
        read_safetensors(&fs::read(self.path("out").join(name)).unwrap())
    }

    fn out_config(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("out/config.json")).unwrap()).unwrap()
    }

    /// Why it is refused, without the folder.
    fn refusal(&self) -> String {
        self.write_all(&json!({"vocab_size": VOCABULARY}));
        self.refused()
    }

    fn refused(&self) -> String {
        let line = self.run().expect_err("it must be refused").to_string();
        assert!(
            !self.path("out").exists() && !self.path("out.part").exists(),
            "something was left"
        );
        assert!(!line.contains('\n') && !line.ends_with('.'), "{line:?}");
        line.replace(&format!("{}/", self.root.path().display()), "")
    }

    fn values(&self, name: &str) -> &[f32] {
        let all = self.base.iter().chain(&self.adapter);
        &all.into_iter().find(|(other, _, _)| other == name).unwrap().2
    }
}

fn factor_names(module: &str) -> (String, String) {
    let name = |part: &str| format!("base_model.model.{module}.{part}.weight");
    (name("lora_A"), name("lora_B"))
}

fn low_rank(module: &str, inputs: usize, outputs: usize, rank: usize) -> Vec<Tensor> {
    let (down, up) = factor_names(module);
    vec![tensor(&down, &[rank, inputs]), tensor(&up, &[outputs, rank])]
}

fn found<'a>(tensors: &'a [Read], name: &str) -> &'a Read {
    tensors.iter().find(|tensor| tensor.name == name).unwrap_or_else(|| panic!("no {name}"))
}

/// The values of a tensor, read independently of the code under test.
fn values(tensor: &Read) -> Vec<f32> {
    match tensor.dtype.as_str() {
        "F32" => tensor
            .bytes
            .chunks(4)
            .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
            .collect(),
        "BF16" => {
            tensor.bytes.chunks(2).map(|two| f32::from_le_bytes([0, 0, two[0], two[1]])).collect()
        }
        other => panic!("{other}"),
    }
}

/// W + scale · B · A by the definition, in double precision.
fn sum(weight: &[f32], down: &[f32], up: &[f32], rank: usize, scale: f64) -> Vec<f64> {
    let inputs = down.len() / rank;
    let element = |(index, weight): (usize, &f32)| {
        let (output, input) = (index / inputs, index % inputs);
        let product: f64 = (0..rank)
            .map(|k| f64::from(up[output * rank + k]) * f64::from(down[k * inputs + input]))
            .sum();
        f64::from(*weight) + scale * product
    };
    weight.iter().enumerate().map(element).collect()
}

fn assert_close(tensor: &Read, expected: &[f64]) {
    let tolerance = if tensor.dtype == "BF16" { 1.0 / 256.0 } else { 1e-6 };
    let found = values(tensor);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let error = (f64::from(*found) - expected).abs();
        assert!(
            error <= tolerance * expected.abs().max(1.0),
            "{}: {found} for {expected}",
            tensor.name
        );
    }
    assert!(expected.iter().any(|value| *value != 0.0));
}

/// Checks that `module` became W + scale · B · A.
fn assert_added(pair: &Pair, tensors: &[Read], module: &str, rank: usize, scale: f64) {
    let name = format!("{module}.weight");
    let (down, up) = factor_names(module);
    let expected = sum(pair.values(&name), pair.values(&down), pair.values(&up), rank, scale);
    let tensor = found(tensors, &name);
    assert_close(tensor, &expected);
    assert_ne!(tensor.bytes, bytes(pair.dtype, pair.values(&name)), "{module} changed");
}

#[test]
fn the_product_is_added_in_the_format_of_the_model_and_the_rest_keeps_its_bytes() {
    for dtype in ["F32", "BF16"] {
        let pair = Pair::new(dtype);
        let tensors = pair.merged();
        assert_eq!(tensors.len(), pair.base.len());
        for module in [Q, DOWN] {
            assert_added(&pair, &tensors, module, 2, 2.0);
        }
        for name in [TABLE, &format!("{Q}.bias"), "model.norm.weight", HEAD] {
            assert_eq!(found(&tensors, name).bytes, bytes(dtype, pair.values(name)), "{name}");
        }
        assert!(tensors.iter().all(|tensor| tensor.dtype == dtype));
        assert_eq!(pair.out_config(), json!({"vocab_size": VOCABULARY}));
    }
}

#[test]
fn the_scale_follows_rank_alpha_and_their_patterns() {
    let mut pair = Pair::new("F32");
    pair.set("use_rslora", json!(true));
    let tensors = pair.merged();
    assert_added(&pair, &tensors, Q, 2, 4.0 / 2.0_f64.sqrt());

    let mut pair = Pair::new("F32");
    pair.set("r", json!(16))
        .set("rank_pattern", json!({"q_proj": 2, "^model.layers.0.mlp.down_proj": 2}));
    pair.set("alpha_pattern", json!({"layers.0.mlp.down_proj": 1}));
    let tensors = pair.merged();
    assert_added(&pair, &tensors, Q, 2, 2.0);
    assert_added(&pair, &tensors, DOWN, 2, 0.5);

    let mut pair = Pair::new("F32");
    assert_eq!(
        pair.set("r", json!(4)).refusal(),
        format!(
            "adapter/adapter_model.safetensors: tensor base_model.model.{DOWN}.lora_A.weight: its rank is 2, and adapter_config.json says 4"
        )
    );
    assert_eq!(
        pair.set("alpha_pattern", json!({r".*\.(q|v)_proj": 1})).refusal(),
        r#"adapter/adapter_config.json: alpha_pattern: ".*\\.(q|v)_proj" is an expression; only names of modules are understood"#
    );
}

#[test]
fn weights_with_their_inputs_in_rows_get_the_transposed_product() {
    let mut pair = Pair::new("F32");
    pair.set("fan_in_fan_out", json!(true));
    pair.base[3] = tensor(&format!("{DOWN}.weight"), &[INNER, HIDDEN]);
    let tensors = pair.merged();
    let (down, up) = factor_names(DOWN);
    let weight = pair.values(&format!("{DOWN}.weight"));
    // Transposed, added to, and compared transposed.
    let turned: Vec<f32> =
        (0..HIDDEN * INNER).map(|at| weight[at % INNER * HIDDEN + at / INNER]).collect();
    let expected = sum(&turned, pair.values(&down), pair.values(&up), 2, 2.0);
    let expected: Vec<f64> =
        (0..HIDDEN * INNER).map(|at| expected[at % HIDDEN * INNER + at / HIDDEN]).collect();
    assert_close(found(&tensors, &format!("{DOWN}.weight")), &expected);
}

/// The factors for the table of tokens: A is [rank, rows], B is [width, rank].
fn table_factors() -> Vec<Tensor> {
    let name = |part: &str| format!("base_model.model.model.embed_tokens.{part}");
    vec![
        tensor(&name("lora_embedding_A"), &[2, VOCABULARY]),
        tensor(&name("lora_embedding_B"), &[HIDDEN, 2]),
    ]
}

fn added_table(pair: &Pair) -> Vec<f64> {
    let [(_, _, down), (_, _, up)] = table_factors().try_into().unwrap();
    let element = |(index, weight): (usize, &f32)| {
        let (row, column) = (index / HIDDEN, index % HIDDEN);
        let product: f64 = (0..2)
            .map(|k| f64::from(down[k * VOCABULARY + row]) * f64::from(up[column * 2 + k]))
            .sum();
        f64::from(*weight) + 2.0 * product
    };
    pair.values(TABLE).iter().enumerate().map(element).collect()
}

#[test]
fn a_table_of_tokens_is_added_to_by_its_rows() {
    let mut pair = Pair::new("F32");
    pair.adapter.extend(table_factors());
    let tensors = pair.merged();
    assert_close(found(&tensors, TABLE), &added_table(&pair));
    assert_eq!(found(&tensors, HEAD).bytes, bytes("F32", pair.values(HEAD)));
}

#[test]
fn whole_tensors_take_the_place_of_the_models_and_biases_too() {
    let mut pair = Pair::new("BF16");
    let (norm, bias) = (tensor("new norm", &[HIDDEN]), tensor("new bias", &[HIDDEN]));
    pair.adapter.push(("base_model.model.model.norm.weight".to_owned(), norm.1, norm.2.clone()));
    let name = format!("base_model.model.{Q}.base_layer.bias");
    pair.adapter.push((name, bias.1, bias.2.clone()));
    pair.set("bias", json!("lora_only")).set("modules_to_save", json!(["norm"]));
    let tensors = pair.merged();
    assert_eq!(found(&tensors, "model.norm.weight").bytes, bytes("BF16", &norm.2));
    assert_eq!(found(&tensors, &format!("{Q}.bias")).bytes, bytes("BF16", &bias.2));
    assert_added(&pair, &tensors, Q, 2, 2.0);
}

/// A table of tokens that an adapter brings, with so many rows.
fn brought(target: &str, rows: usize) -> Tensor {
    let (_, shape, values) = tensor(&format!("brought {target}"), &[rows, HIDDEN]);
    (format!("base_model.model.{target}"), shape, values)
}

#[test]
fn an_adapter_that_extends_the_vocabulary_brings_its_tables_and_its_tokenizer() {
    let mut pair = Pair::new("F32");
    pair.adapter.extend([brought(TABLE, VOCABULARY + 3), brought(HEAD, VOCABULARY + 3)]);
    pair.set("modules_to_save", json!(["embed_tokens", "lm_head"]));
    pair.write("adapter/tokenizer.json", r#"{"model": {"vocab": {"新": 22}}}"#);
    pair.write("adapter/tokenizer_config.json", r#"{"eos_token": "新"}"#);
    pair.write("base/special_tokens_map.json", "{}");
    pair.write("base/generation_config.json", r#"{"top_k": 3}"#);
    let tensors = pair.merged();
    for name in [TABLE, HEAD] {
        let expected = &brought(name, VOCABULARY + 3).2;
        assert_eq!(found(&tensors, name).bytes, bytes("F32", expected));
        assert_eq!(found(&tensors, name).shape, json!([VOCABULARY + 3, HIDDEN]));
    }
    assert_eq!(pair.out_config()["vocab_size"], VOCABULARY + 3);
    let read = |name: &str| fs::read_to_string(pair.path("out").join(name)).unwrap();
    assert!(read("tokenizer.json").contains('新') && read("tokenizer_config.json").contains('新'));
    assert!(read("generation_config.json").contains("top_k"));
    assert!(!pair.path("out/special_tokens_map.json").exists(), "no mixture of two tokenizers");
}

#[test]
fn tables_and_tokenizer_must_agree() {
    let mut pair = Pair::new("F32");
    pair.adapter.push(brought(TABLE, VOCABULARY + 3));
    assert_eq!(
        pair.refusal(),
        "adapter/adapter_model.safetensors: the tables of tokens would have 23 rows at the input and 20 at the output: the adapter must bring both"
    );
    let pair = Pair::new("F32");
    pair.write("adapter/tokenizer.json", r#"{"model": {"vocab": {"新": 20}}}"#);
    assert_eq!(
        pair.refusal(),
        "adapter/tokenizer.json: token \"新\" has the number 20, and the merged model has 20 rows"
    );
}

/// A model whose output is its table of tokens.
fn tied(pair: &mut Pair) -> Value {
    pair.base.retain(|(name, _, _)| name != HEAD);
    json!({"vocab_size": VOCABULARY, "tie_word_embeddings": true})
}

#[test]
fn a_shared_table_is_parted_where_the_adapter_changed_one_side_of_it() {
    // The input is changed, the output stays.
    let mut pair = Pair::new("F32");
    let model = tied(&mut pair);
    pair.adapter.extend(table_factors());
    pair.write_all(&model);
    let report = pair.run().unwrap();
    let tensors = pair.read("model.safetensors");
    assert_close(found(&tensors, TABLE), &added_table(&pair));
    assert_eq!(found(&tensors, HEAD).bytes, bytes("F32", pair.values(TABLE)));
    assert_eq!(pair.out_config()["tie_word_embeddings"], false);
    assert!(report.notes.iter().any(|note| note.contains("tie_word_embeddings")));

    // The output is changed, the input stays.
    let mut pair = Pair::new("F32");
    let model = tied(&mut pair);
    pair.adapter.extend(low_rank("lm_head", HIDDEN, VOCABULARY, 2));
    pair.write_all(&model);
    pair.run().unwrap();
    let tensors = pair.read("model.safetensors");
    assert_eq!(found(&tensors, TABLE).bytes, bytes("F32", pair.values(TABLE)));
    let (down, up) = factor_names("lm_head");
    let expected = sum(pair.values(TABLE), pair.values(&down), pair.values(&up), 2, 2.0);
    assert_close(found(&tensors, HEAD), &expected);
    assert_eq!(pair.out_config()["tie_word_embeddings"], false);
}

#[test]
fn a_shared_table_stays_shared_where_nothing_parts_it() {
    let stays = |pair: &mut Pair, rows: usize| {
        let model = tied(pair);
        // What a shared table's model may store and nobody reads.
        pair.base.push(tensor(HEAD, &[VOCABULARY, HIDDEN]));
        pair.write_all(&model);
        pair.run().unwrap();
        let tensors = pair.read("model.safetensors");
        assert!(tensors.iter().all(|tensor| tensor.name != HEAD));
        let config = pair.out_config();
        assert_eq!(
            (&config["tie_word_embeddings"], &config["vocab_size"]),
            (&json!(true), &json!(rows))
        );
        tensors
    };
    // The adapter was trained to keep it shared.
    let mut pair = Pair::new("F32");
    pair.adapter.extend(table_factors());
    let tensors = stays(pair.set("ensure_weight_tying", json!(true)), VOCABULARY);
    assert_close(found(&tensors, TABLE), &added_table(&pair));
    // It was enlarged before the training and is only stored beside the adapter.
    let mut pair = Pair::new("F32");
    pair.adapter.push(brought(TABLE, VOCABULARY + 3));
    let tensors = stays(&mut pair, VOCABULARY + 3);
    assert_eq!(found(&tensors, TABLE).bytes, bytes("F32", &brought(TABLE, VOCABULARY + 3).2));
}

#[test]
fn parts_stay_parts_and_what_does_not_change_is_linked() {
    use std::os::unix::fs::MetadataExt;

    let pair = Pair::new("BF16");
    pair.write_all(&json!({}));
    fs::remove_file(pair.path("base/model.safetensors")).unwrap();
    let (first, second) = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
    pair.write(&format!("base/{first}"), safetensors("BF16", &pair.base[..4]));
    pair.write(&format!("base/{second}"), safetensors("BF16", &pair.base[4..]));
    let map = json!({"weight_map": {TABLE: first, HEAD: second}});
    pair.write("base/model.safetensors.index.json", map.to_string());
    let before = fs::read(pair.path(&format!("base/{first}"))).unwrap();
    let (mut total, mut written) = (0, 0);
    merge(&pair.request(), &mut |progress| match progress {
        Progress::Total(bytes) => total = bytes,
        Progress::Advanced(bytes) => written += bytes,
        Progress::File(_) => {}
    })
    .unwrap();
    assert!(total > 0 && total == written, "{written} of {total}");
    let inode =
        |folder: &str, name: &str| fs::metadata(pair.path(folder).join(name)).unwrap().ino();
    assert_eq!(inode("base", second), inode("out", second));
    assert_ne!(inode("base", first), inode("out", first));
    assert_eq!(fs::read(pair.path(&format!("base/{first}"))).unwrap(), before);
    assert_added(&pair, &pair.read(first), Q, 2, 2.0);
    let index = fs::read(pair.path("out/model.safetensors.index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    assert_eq!(
        (&index["weight_map"][HEAD], &index["weight_map"][TABLE]),
        (&json!(second), &json!(first))
    );
    assert_eq!(index["metadata"]["total_size"], total);
}

#[test]
fn pickled_adapters_and_pickled_models_are_merged_alike() {
    let pair = Pair::new("F32");
    let expected = pair.merged();
    fs::remove_dir_all(pair.path("out")).unwrap();
    fs::remove_file(pair.path("adapter/adapter_model.safetensors")).unwrap();
    fs::remove_file(pair.path("base/model.safetensors")).unwrap();
    pair.write("adapter/adapter_model.bin", checkpoint(&pair.adapter));
    pair.write("base/pytorch_model.bin", checkpoint(&pair.base));
    pair.run().unwrap();
    assert_eq!(pair.read("model.safetensors"), expected);
    assert!(!pair.path("out/pytorch_model.bin").exists());
}

#[test]
fn a_tensor_without_a_place_is_named() {
    let with = |tensors: Vec<Tensor>| {
        let mut pair = Pair::new("F32");
        pair.adapter.extend(tensors);
        pair.refusal().replace("adapter/adapter_model.safetensors: tensor base_model.model.", "")
    };
    for (tensors, expected) in [
        (
            low_rank("model.layers.1.mlp.up_proj", HIDDEN, HIDDEN, 2),
            "model.layers.1.mlp.up_proj.lora_A.weight: the model has no model.layers.1.mlp.up_proj.weight",
        ),
        (
            low_rank("lm_head", HIDDEN, VOCABULARY + 1, 2),
            "lm_head.lora_A.weight: [2, 8] and [21, 2] make nothing of the form [20, 8]",
        ),
        (
            low_rank("lm_head", HIDDEN, VOCABULARY, 2)[..1].to_vec(),
            "lm_head.lora_A.weight has no counterpart of B",
        ),
        (
            low_rank("lm_head", HIDDEN, VOCABULARY, 2)[1..].to_vec(),
            "lm_head.lora_B.weight has no counterpart of A",
        ),
        (
            vec![tensor("base_model.model.score.weight", &[2, HIDDEN])],
            "score.weight: the model has no score.weight",
        ),
        (
            vec![tensor("base_model.model.model.norm.weight", &[HIDDEN + 1])],
            "model.norm.weight: it is [9], and the model's own is [8]",
        ),
        (
            vec![tensor("base_model.model.lm_head.lora_magnitude_vector.weight", &[VOCABULARY])],
            "lm_head.lora_magnitude_vector.weight: it belongs to DoRA, which cannot be merged",
        ),
    ] {
        assert_eq!(with(tensors), expected);
    }
}

#[test]
fn what_is_more_than_a_sum_is_refused_by_its_key() {
    for (key, value, expected) in [
        (
            "use_dora",
            json!(true),
            "an adapter with use_dora cannot be merged: merge it with PEFT's merge_and_unload, or train without DoRA",
        ),
        (
            "peft_type",
            json!("IA3"),
            "an adapter of type IA3 cannot be merged: only LoRA adapters of PEFT are",
        ),
        (
            "init_lora_weights",
            json!("pissa"),
            "an adapter whose training changed the model (init_lora_weights = \"pissa\") cannot be merged: save it again with path_initial_model_for_weight_conversion",
        ),
        (
            "trainable_token_indices",
            json!([1]),
            "an adapter with trainable_token_indices cannot be merged: merge it with PEFT's merge_and_unload",
        ),
        ("r", json!(0), "r must be a number of at least 1"),
        ("lora_alpha", json!("x"), "lora_alpha must be a number"),
    ] {
        let mut pair = Pair::new("F32");
        let line = pair.set(key, value).refusal();
        assert_eq!(line, format!("adapter/adapter_config.json: {expected}"));
    }
    let mut pair = Pair::new("F32");
    pair.set("use_dora", json!(false)).set("init_lora_weights", json!("gaussian"));
    pair.set("something_new", json!(1)).set("something_off", Value::Null);
    pair.write_all(&json!({}));
    let notes = pair.run().unwrap().notes;
    assert!(
        notes.contains(&"adapter_config.json: something_new is 1, which is left aside".to_owned())
    );
    assert!(!notes.iter().any(|note| note.contains("something_off")), "{notes:?}");
}

#[test]
fn numbers_that_the_format_cannot_hold_end_the_command() {
    let mut pair = Pair::new("BF16");
    for (name, _, values) in &mut pair.adapter {
        if name.contains("lora_B") {
            values.fill(3e38);
        }
    }
    assert_eq!(
        pair.refusal(),
        format!(
            "base/model.safetensors: tensor {Q}.weight: with the adapter its numbers are larger than BF16 can hold"
        )
    );
}

#[test]
fn folders_that_are_there_are_never_touched() {
    let pair = Pair::new("F32");
    pair.write_all(&json!({}));
    let request = |out: &str| MergeRequest { out: pair.path(out), ..pair.request() };
    let line = |out: &str| {
        let error = merge(&request(out), &mut |_| {}).unwrap_err().to_string();
        error
            .replace(&format!("{}/", fs::canonicalize(pair.root.path()).unwrap().display()), "")
            .replace(&format!("{}/", pair.root.path().display()), "")
    };
    assert_eq!(line("base"), "base is there already and is not empty: name a new folder");
    assert_eq!(
        line("base/new"),
        "base/new is inside of base, which stays as it is: name a folder elsewhere"
    );
    assert_eq!(
        line("adapter/a/b"),
        "adapter/a/b is inside of adapter, which stays as it is: name a folder elsewhere"
    );
    fs::create_dir(pair.path("out.part")).unwrap();
    assert_eq!(line("out"), "out.part is left from an earlier try: delete it");
    assert!(pair.path("out.part").exists());
}

#[test]
fn folders_that_are_no_model_or_no_adapter_are_refused() {
    let pair = Pair::new("F32");
    pair.write_all(&json!({"quantization_config": {"quant_method": "gptq"}}));
    assert_eq!(
        pair.refused(),
        "base/config.json: a model that is quantized already cannot be merged: merge into the original model and quantize that with isq"
    );
    pair.write_all(&json!({}));
    pair.write("adapter/adapter_model.safetensors", "version https://git-lfs.github.com/spec/v1");
    assert!(pair.refused().contains("this is a Git LFS pointer"));
    pair.write("adapter/adapter_model.safetensors", [&9_u64.to_le_bytes()[..], b"{}"].concat());
    assert!(pair.refused().contains("this is no safetensors file"));
    let lies = json!({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).to_string();
    let lies = [&(lies.len() as u64).to_le_bytes()[..], lies.as_bytes(), &[0; 15]].concat();
    pair.write("adapter/adapter_model.safetensors", lies);
    assert!(pair.refused().ends_with("tensor a: its place in the file does not fit its shape"));
    fs::remove_file(pair.path("adapter/adapter_model.safetensors")).unwrap();
    assert!(pair.refused().ends_with("so this is no adapter in PEFT's form"));
    fs::copy(data("training.bin"), pair.path("adapter/adapter_model.bin")).unwrap();
    assert!(pair.refused().contains("this is a training state, not a model"));
    fs::remove_file(pair.path("adapter/adapter_config.json")).unwrap();
    assert!(pair.refused().starts_with("adapter/adapter_config.json is missing"));
}
