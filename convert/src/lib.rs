//! Makes an old model folder one that the local engine can load, and merges adapters into models.
//!
//! The first Llama models and those made from them, Linly's Chinese-LLaMA-2 among them, were
//! published as pickles with a SentencePiece tokenizer, without a chat template, and with a
//! configuration that leaves out what was a constant then. [`convert`] writes a new folder beside
//! the old one, which stays as it is:
//!
//! | in the old folder | in the new one | by |
//! |---|---|---|
//! | `pytorch_model*.bin` | `model*.safetensors` and their index | `weights`, `checkpoint`, `pickle` |
//! | `tokenizer.model` | `tokenizer.json` | `tokenizer`, `sentencepiece` |
//! | `config.json` | with `rope_theta`, `num_key_value_heads`, … | `config` |
//! | `tokenizer_config.json`, `generation_config.json`, … | repaired | `companions` |
//! | no chat template | `chat_template.jinja` | [`Template`] |
//!
//! What is in the right form already is linked or copied. A pickle is read as data: nothing in it
//! is ever imported or run. Memory stays at some megabytes, whatever the size of the model.
//!
//! The new folder is made under the name `OUT.part` and gets its name when it is whole.
//!
//! [`merge()`] adds a LoRA adapter in PEFT's form to a model and writes the sum as a new folder.

mod checkpoint;
mod companions;
mod config;
mod error;
mod files;
mod merge;
mod pickle;
mod safetensors;
mod sentencepiece;
mod template;
mod tensor;
mod tokenizer;
mod weights;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use crate::{
    companions::{Companions, tokens},
    config::Config,
    files::{has_room, is_empty, link_or_copy, read_json, write_json, write_whole},
    sentencepiece::SentencePiece,
    weights::Weights,
};
pub use crate::{
    error::ConvertError,
    merge::{MergeRequest, merge},
    template::Template,
};

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Request {
    /// The old folder.
    pub folder: PathBuf,
    /// The new one, which must not be there or be empty.
    pub out: PathBuf,
    /// How the model is asked, where the folder does not say; `None` guesses from its name.
    pub template: Option<Template>,
    /// Keeps the finished files of an earlier try.
    pub resume: bool,
}

/// How far a conversion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// So many bytes of weights will be written.
    Total(u64),
    /// A weight file of this name is begun.
    File(&'a str),
    /// So many more bytes were written.
    Advanced(u64),
}

/// What was done.
#[derive(Debug, Clone)]
pub struct Report {
    /// One line for each thing that was added, repaired or left out.
    pub notes: Vec<String>,
    /// The template that was written.
    pub template: Option<Template>,
    /// Whether the new folder has a chat template, from wherever.
    pub has_template: bool,
    /// The entry for the configuration.
    pub entry: String,
}

/// Converts a folder.
///
/// # Errors
/// One line that names the file. The new folder is then not there; what was finished of it stays
/// under the name `OUT.part`.
pub fn convert(
    request: &Request,
    observe: &mut dyn FnMut(Progress),
) -> Result<Report, ConvertError> {
    let folder = &request.folder;
    if !folder.is_dir() {
        return Err(ConvertError::NotAFolder { path: folder.clone() });
    }
    let work = work_folder(request)?;
    // Everything is read and checked before the first byte is written.
    let mut weights = Weights::find(folder)?;
    let config = Config::complete(folder, &weights)?;
    let mut notes = config.notes.clone();
    if config.is_tied() && weights.leave_out("lm_head.weight") {
        notes.push("lm_head.weight is left out: it is the table of tokens again".to_owned());
    }
    let (tokenizer, companions) = tokenizer(folder)?;
    notes.extend(companions.notes.iter().cloned());
    companions.check(folder, tokenizer.json())?;
    fits(folder, tokenizer.json(), &config)?;
    let template = template(request, &companions, &config.content, &mut notes);
    has_room(&work, weights.bytes())?;

    fs::create_dir_all(&work).map_err(ConvertError::file(&work))?;
    observe(Progress::Total(weights.bytes()));
    weights.write(folder, &work, observe)?;
    write_json(&work.join("config.json"), &config.content)?;
    if matches!(tokenizer, Tokenizer::Made(_)) {
        notes.push("tokenizer.json is made from tokenizer.model".to_owned());
    }
    tokenizer.write(folder, &work)?;
    companions.write(&work)?;
    for name in TAKEN_OVER {
        if folder.join(name).is_file() {
            link_or_copy(&folder.join(name), &work.join(name))?;
        }
    }
    if let Some(template) = template {
        write_whole(&work.join("chat_template.jinja"), template.jinja().as_bytes())?;
    }
    fs::rename(&work, &request.out).map_err(ConvertError::file(&request.out))?;
    let is_there = |name: &str| request.out.join(name).is_file();
    let has_template = companions.has_template()
        || is_there("chat_template.jinja")
        || is_there("chat_template.json");
    let entry = entry(&request.out, has_template);
    Ok(Report { notes, template, has_template, entry })
}

/// Files that are the same in the new folder.
const TAKEN_OVER: [&str; 5] =
    ["chat_template.jinja", "chat_template.json", "LICENSE", "LICENSE.txt", "README.md"];

/// Where the new folder is made; refuses when that would destroy something.
fn work_folder(request: &Request) -> Result<PathBuf, ConvertError> {
    let out = &request.out;
    if out.symlink_metadata().is_ok() && !is_empty(out) {
        return Err(ConvertError::OutExists { path: out.clone() });
    }
    let name = out.file_name().ok_or_else(|| ConvertError::OutExists { path: out.clone() })?;
    let mut name = name.to_owned();
    name.push(".part");
    let work = out.with_file_name(name);
    if work.exists() && !request.resume {
        return Err(ConvertError::Unfinished { path: work });
    }
    Ok(work)
}

/// A tokenizer that was there, or one that was made.
enum Tokenizer {
    Found(Value),
    Made(Value),
}

impl Tokenizer {
    fn json(&self) -> &Value {
        match self {
            Self::Found(json) | Self::Made(json) => json,
        }
    }

    fn write(&self, from: &Path, to: &Path) -> Result<(), ConvertError> {
        let name = "tokenizer.json";
        match self {
            Self::Found(_) => link_or_copy(&from.join(name), &to.join(name)),
            Self::Made(json) => write_whole(&to.join(name), format!("{json:#}\n").as_bytes()),
        }
    }
}

fn tokenizer(folder: &Path) -> Result<(Tokenizer, Companions), ConvertError> {
    if let Some(found) = read_json(&folder.join("tokenizer.json"))? {
        return Ok((Tokenizer::Found(found), Companions::read(folder, None)?));
    }
    let path = folder.join("tokenizer.model");
    if !path.is_file() {
        let hint = "there is neither a tokenizer.json nor a tokenizer.model";
        return Err(ConvertError::Missing { path, hint });
    }
    let model = SentencePiece::read(&path)?;
    let companions = Companions::read(folder, Some(&model))?;
    let options = companions.options(model.pieces.len());
    let made = tokenizer::tokenizer(&path, &model, &options)?;
    Ok((Tokenizer::Made(made), companions))
}

/// Checks that the model has a row for each token.
fn fits(folder: &Path, tokenizer: &Value, config: &Config) -> Result<(), ConvertError> {
    let last = tokens(tokenizer).into_iter().max_by_key(|(_, id)| *id);
    match (last, config.number("vocab_size")) {
        (Some((token, id)), Some(size)) if id >= size => {
            let problem = format!(
                "vocab_size is {size}, and the tokenizer has token {token:?} with the number {id}"
            );
            Err(ConvertError::malformed(folder.join("config.json"), problem))
        }
        _ => Ok(()),
    }
}

/// The template to write, if one is needed and known.
fn template(
    request: &Request,
    companions: &Companions,
    config: &Map<String, Value>,
    notes: &mut Vec<String>,
) -> Option<Template> {
    let is_there = companions.has_template()
        || request.folder.join("chat_template.jinja").is_file()
        || request.folder.join("chat_template.json").is_file();
    match request.template {
        Some(_) if is_there => {
            notes.push("the model has a chat template of its own, which stays".to_owned());
            None
        }
        Some(template) => Some(template),
        None if is_there => None,
        None => {
            let guess = Template::guess(&request.folder, config);
            notes.push(match guess {
                Some(template) => format!(
                    "chat_template.jinja is {template}, guessed from the name; --template chooses another"
                ),
                None => "there is no chat template and the name suggests none: a base model completes \
                         text; --template linly, llama2-chinese or llama2 adds one"
                    .to_owned(),
            });
            guess
        }
    }
}

/// The `[providers.…]` entry that loads the folder.
fn entry(out: &Path, has_template: bool) -> String {
    let path = fs::canonicalize(out).unwrap_or_else(|_| out.to_owned());
    let stem = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let name: String =
        stem.chars().map(|letter| if plain(letter) { letter } else { '-' }).collect();
    let name = match name.trim_matches('-') {
        "" => "model",
        name => name,
    };
    // A JSON text without control characters is a TOML text.
    let path = Value::String(path.to_string_lossy().into_owned());
    let text_only = if has_template { "" } else { "text_only = true\n" };
    format!("[providers.{name}]\nkind = \"local\"\nmodel = {path}\nisq = \"Q4K\"\n{text_only}")
}
