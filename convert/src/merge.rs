//! Adds a LoRA adapter to a model, for an engine that cannot do so while it runs.
//!
//! ```text
//!  BASE ───────────────┐
//!  ADAPTER ─ settings ─┼─▶ plan ─▶ write ─▶ OUT.part ─▶ OUT
//!          └ adapter ──┘          (numbers)
//! ```
//!
//! Each weight W becomes W + scale · B · A, summed in single precision and stored in the format
//! that W had; a tensor that the adapter has whole takes the place of the model's. A tensor of the
//! adapter that finds no place ends the command: nothing of an adapter is ever left out.

mod adapter;
mod numbers;
mod plan;
mod settings;
mod write;

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use self::{adapter::Adapter, plan::Plan, settings::Settings};
use crate::{
    ConvertError, Progress, Report,
    companions::tokens,
    entry,
    files::{existing_parent, has_room, is_empty, read_json, write_json},
    weights::{Weights, write_index},
};

/// What is to be merged.
#[derive(Debug, Clone)]
pub struct MergeRequest {
    /// The folder of the model, which stays as it is.
    pub base: PathBuf,
    /// The folder of the adapter, in PEFT's form.
    pub adapter: PathBuf,
    /// The new folder, which must not be there or be empty.
    pub out: PathBuf,
}

/// What makes a tokenizer; the set is the adapter's where it has one, else the model's.
const TOKENIZER: [&str; 7] = [
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
];

/// How the model is asked and answers; each is the adapter's where it has one.
const MANNERS: [&str; 3] = ["chat_template.jinja", "chat_template.json", "generation_config.json"];

/// Merges an adapter into a model.
///
/// # Errors
/// One line that names the file and the tensor. The new folder is then not there, and neither is
/// what was written of it.
pub fn merge(
    request: &MergeRequest,
    observe: &mut dyn FnMut(Progress),
) -> Result<Report, ConvertError> {
    let MergeRequest { base, adapter, out } = request;
    for folder in [base, adapter] {
        if !folder.is_dir() {
            return Err(ConvertError::NotAFolder { path: folder.clone() });
        }
    }
    let work = work_folder(request)?;
    // Everything is read and checked before the first byte is written.
    let settings = Settings::read(adapter)?;
    let mut config = config(base)?;
    let tied = config.get("tie_word_embeddings").and_then(Value::as_bool).unwrap_or(false);
    let weights = Weights::find(base)?;
    let linkable = matches!(weights, Weights::Safetensors(_));
    let adapter_tensors = Adapter::read(adapter)?;
    let plan = Plan::make(weights.open(base)?, adapter_tensors, &settings, (tied, linkable))?;
    let mut notes = settings.notes.clone();
    notes.push(plan.note());
    complete(&mut config, &plan, &mut notes);
    let small = small_files(request, &plan, &mut notes)?;
    if let Some(made_for) = &settings.made_for {
        notes.push(format!("the adapter says that it was made for {made_for}"));
    }
    has_room(&work, needed(&plan, request))?;

    fs::create_dir_all(&work).map_err(ConvertError::file(&work))?;
    observe(Progress::Total(plan.bytes()));
    write_folder(&work, &plan, &config, &small, observe)
        .and_then(|()| fs::rename(&work, out).map_err(ConvertError::file(out)))
        .inspect_err(|_| {
            // It is ours: it was not there when we began.
            let _ = fs::remove_dir_all(&work);
        })?;
    let has_template = has_template(out)?;
    Ok(Report { notes, template: None, has_template, entry: entry(out, has_template) })
}

/// Where the new folder is made; refuses when that would destroy or disturb something.
fn work_folder(request: &MergeRequest) -> Result<PathBuf, ConvertError> {
    let out = &request.out;
    if out.symlink_metadata().is_ok() && !is_empty(out) {
        return Err(ConvertError::OutExists { path: out.clone() });
    }
    let name = out.file_name().ok_or_else(|| ConvertError::OutExists { path: out.clone() })?;
    let parent = existing_parent(out);
    let parent = fs::canonicalize(&parent).map_err(ConvertError::file(&parent))?;
    for folder in [&request.base, &request.adapter] {
        let folder = fs::canonicalize(folder).map_err(ConvertError::file(folder))?;
        if parent.starts_with(&folder) {
            return Err(ConvertError::OutInside { path: out.clone(), folder });
        }
    }
    let mut name = name.to_owned();
    name.push(".part");
    let work = out.with_file_name(name);
    if work.symlink_metadata().is_ok() {
        return Err(ConvertError::LeftOver { path: work });
    }
    Ok(work)
}

/// The configuration of the model, which must be one that numbers can be added to.
fn config(base: &Path) -> Result<Map<String, Value>, ConvertError> {
    let path = base.join("config.json");
    let config: Map<String, Value> = read_json(&path)?.ok_or_else(|| ConvertError::Missing {
        path: path.clone(),
        hint: "it says what kind of model this is",
    })?;
    if config.get("quantization_config").is_some_and(Value::is_object) {
        return Err(ConvertError::NotMergeable {
            path,
            what: "a model that is quantized already".to_owned(),
            way_out: "merge into the original model and quantize that with isq",
        });
    }
    Ok(config)
}

/// Says in the configuration what the adapter changed about the model's form.
fn complete(config: &mut Map<String, Value>, plan: &Plan, notes: &mut Vec<String>) {
    if let Some(rows) = plan.vocabulary.filter(|_| plan.resizes) {
        config.insert("vocab_size".to_owned(), json!(rows));
        notes.push(format!("config.json: vocab_size is now {rows}"));
    }
    if plan.unties {
        config.insert("tie_word_embeddings".to_owned(), json!(false));
        notes.push("config.json: tie_word_embeddings is now false".to_owned());
    }
}

/// The files beside the weights, with the names that they get.
fn small_files(
    request: &MergeRequest,
    plan: &Plan,
    notes: &mut Vec<String>,
) -> Result<Vec<(PathBuf, String)>, ConvertError> {
    let MergeRequest { base, adapter, .. } = request;
    let has = |folder: &Path, names: &[&str]| names.iter().any(|name| folder.join(name).is_file());
    let brings = has(adapter, &["tokenizer.json", "tokenizer.model", "vocab.json"]);
    if brings {
        notes.push("the tokenizer is the adapter's".to_owned());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(base).map_err(ConvertError::file(base))? {
        let entry = entry.map_err(ConvertError::file(base))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let of_tokenizer = brings && TOKENIZER.contains(&name.as_str());
        if entry.path().is_file() && is_kept(&name) && !of_tokenizer {
            files.push((entry.path(), name));
        }
    }
    let taken = TOKENIZER.iter().filter(|_| brings).chain(&MANNERS);
    for name in taken.filter(|name| has(adapter, &[**name])) {
        files.retain(|(_, other)| other != name);
        files.push((adapter.join(name), (*name).to_owned()));
    }
    files.sort();
    let tokenizer = files.iter().find(|(_, name)| name == "tokenizer.json");
    match tokenizer {
        Some((path, _)) => fits(path, plan)?,
        None => notes.push(
            "there is no tokenizer.json: anima convert makes one from tokenizer.model".to_owned(),
        ),
    }
    Ok(files)
}

/// Whether a file of the model belongs to the merged one, too.
fn is_kept(name: &str) -> bool {
    const WEIGHTS: [&str; 8] =
        [".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".index.json"];
    let hidden = name.starts_with('.') || name == "config.json";
    !hidden && !WEIGHTS.iter().any(|ending| name.ends_with(ending))
}

/// Checks that the model has a row for each token.
fn fits(path: &Path, plan: &Plan) -> Result<(), ConvertError> {
    let Some(rows) = plan.vocabulary else { return Ok(()) };
    let tokenizer: Value = read_json(path)?.unwrap_or_default();
    match tokens(&tokenizer).into_iter().max_by_key(|(_, id)| *id) {
        Some((token, id)) if id >= rows => {
            let problem = format!(
                "token {token:?} has the number {id}, and the merged model has {rows} rows"
            );
            Err(ConvertError::malformed(path, problem))
        }
        _ => Ok(()),
    }
}

/// Writes everything into the folder `work`.
fn write_folder(
    work: &Path,
    plan: &Plan,
    config: &Map<String, Value>,
    small: &[(PathBuf, String)],
    observe: &mut dyn FnMut(Progress),
) -> Result<(), ConvertError> {
    write::write(&plan.shards, work, observe)?;
    if plan.shards.len() > 1 {
        write_index(work, plan.bytes(), &plan::index(&plan.shards))?;
    }
    write_json(&work.join("config.json"), config)?;
    for (from, name) in small {
        let to = work.join(name);
        fs::copy(from, &to).map_err(ConvertError::file(&to))?;
    }
    Ok(())
}

/// How much the disk must have: links cost nothing where links can be made.
fn needed(plan: &Plan, request: &MergeRequest) -> u64 {
    let device = |path: &Path| fs::metadata(path).ok().map(|of| of.dev());
    let parent = device(&existing_parent(&request.out));
    let can_link = parent.is_some() && parent == device(&request.base);
    let costs = |shard: &&plan::Shard| shard.same_as.is_none() || !can_link;
    plan.shards.iter().filter(costs).map(plan::Shard::bytes).sum()
}

/// Whether the folder says how the model is asked.
fn has_template(folder: &Path) -> Result<bool, ConvertError> {
    let config: Option<Map<String, Value>> = read_json(&folder.join("tokenizer_config.json"))?;
    let stated = config.and_then(|config| config.get("chat_template").cloned());
    Ok(stated.is_some_and(|template| !template.is_null())
        || folder.join("chat_template.jinja").is_file()
        || folder.join("chat_template.json").is_file())
}
