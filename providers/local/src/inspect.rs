//! Reads a model and says in one line what is wrong with it, before the engine sees it.
//!
//! mistralrs 0.8.1 panics on much of what is refused here, and takes a wrong path for the name of
//! a model on a hub.

mod chat;
mod config;
mod embedding;
mod ends;
mod gguf;
mod quantized;
mod safetensors;
mod tokenizer;

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anima_provider::Sampling;
use serde::de::DeserializeOwned;
use tokenizers::Tokenizer;

use self::chat::{ChatFiles, TemplateSource};
pub(crate) use self::embedding::is_embedding;
pub(crate) use self::ends::EndTokens;
use crate::{LoadError, LocalSettings, template::ChatTemplate};

/// Where the weights are, as absolute paths.
#[derive(Debug, Clone)]
pub(crate) enum Weights {
    /// A folder of safetensors files.
    Folder(PathBuf),
    /// A GGUF file in its folder.
    Gguf { folder: PathBuf, file: String },
}

impl Weights {
    /// What was asked for.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.clone(),
            Self::Gguf { folder, file } => folder.join(file),
        }
    }
}

/// A model that was looked at and found good.
pub(crate) struct ModelFiles {
    pub(crate) weights: Weights,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) template: Option<ChatTemplate>,
    pub(crate) ends: EndTokens,
    /// How the makers of the model want answers drawn.
    pub(crate) defaults: Sampling,
}

/// Looks at the model that `settings` name.
pub(crate) fn inspect(settings: &LocalSettings) -> Result<ModelFiles, LoadError> {
    let path = canonical(&settings.model)?;
    if path.is_dir() {
        return folder(path, settings);
    }
    match (path.extension(), path.parent(), path.file_name().and_then(|name| name.to_str())) {
        (Some(extension), Some(folder), Some(file)) if extension == "gguf" => {
            single_file(folder.to_owned(), file.to_owned(), settings)
        }
        _ => Err(LoadError::NotAModel { path: settings.model.clone() }),
    }
}

/// An embedding model that was looked at and found good.
pub(crate) struct EmbeddingFiles {
    pub(crate) folder: PathBuf,
    pub(crate) tokenizer: Tokenizer,
    /// Most tokens of a text, where that is less than the model was made for.
    pub(crate) longest: Option<usize>,
}

/// Looks at the embedding model that `settings` name.
pub(crate) fn inspect_embedding(settings: &LocalSettings) -> Result<EmbeddingFiles, LoadError> {
    let path = canonical(&settings.model)?;
    if !path.is_dir() {
        let legal = "left out for a GGUF file, which the engine makes no vectors with".to_owned();
        return Err(LoadError::Setting { key: "task".to_owned(), legal });
    }
    let (tokenizer, longest) = embedding::check(&path, settings)?;
    Ok(EmbeddingFiles { folder: path, tokenizer, longest })
}

fn canonical(path: &Path) -> Result<PathBuf, LoadError> {
    fs::canonicalize(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => LoadError::NotFound { path: path.to_owned() },
        _ => LoadError::malformed(path, error.to_string()),
    })
}

fn folder(path: PathBuf, settings: &LocalSettings) -> Result<ModelFiles, LoadError> {
    let vocabulary_size = config::check(&path, settings)?;
    safetensors::check(&path)?;
    let hint = if path.join("tokenizer.model").is_file() {
        "anima convert makes it from tokenizer.model"
    } else {
        "it comes with the model"
    };
    let tokenizer = tokenizer::read(&path, hint)?;
    if let Some(size) = vocabulary_size {
        tokenizer::fits(&path, &tokenizer, size)?;
    }
    let chat = chat::read(&path, None, settings)?;
    let generation = ends::generation(&path)?;
    let ends = EndTokens::find(&path, &tokenizer, &chat, &generation, None)?;
    let template = compile(&chat)?;
    Ok(ModelFiles {
        weights: Weights::Folder(path),
        tokenizer,
        template,
        ends,
        defaults: generation.sampling(),
    })
}

fn single_file(
    folder: PathBuf,
    file: String,
    settings: &LocalSettings,
) -> Result<ModelFiles, LoadError> {
    if settings.isq.is_some() {
        let legal = "left out for a GGUF file, which is quantized already".to_owned();
        return Err(LoadError::Setting { key: "isq".to_owned(), legal });
    }
    let path = folder.join(&file);
    let header = gguf::read(&path)?;
    let tokenizer = tokenizer::read(
        &folder,
        "a GGUF file needs the tokenizer.json of its original model beside it",
    )?;
    let embedded = header.chat_template.map(|text| TemplateSource { text, path: path.clone() });
    let chat = chat::read(&folder, embedded, settings)?;
    let generation = ends::generation(&folder)?;
    let ends = EndTokens::find(&folder, &tokenizer, &chat, &generation, header.end_token)?;
    let template = compile(&chat)?;
    Ok(ModelFiles {
        weights: Weights::Gguf { folder, file },
        tokenizer,
        template,
        ends,
        defaults: generation.sampling(),
    })
}

fn compile(chat: &ChatFiles) -> Result<Option<ChatTemplate>, LoadError> {
    let Some(source) = &chat.template else { return Ok(None) };
    ChatTemplate::compile(&source.text, chat.bos_token.as_deref(), chat.eos_token.as_deref())
        .map(Some)
        .map_err(|error| LoadError::malformed(&source.path, format!("the chat template: {error}")))
}

/// Reads a JSON file, `None` where there is none.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, LoadError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LoadError::malformed(path, error.to_string())),
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| LoadError::malformed(path, error.to_string()))
}
