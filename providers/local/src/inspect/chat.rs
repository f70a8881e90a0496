//! The chat template and the names of the begin and end tokens.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::read_json;
use crate::{LoadError, LocalSettings};

/// Where a conversation's form comes from.
pub(crate) struct ChatFiles {
    pub(crate) template: Option<TemplateSource>,
    pub(crate) bos_token: Option<String>,
    pub(crate) eos_token: Option<String>,
}

/// The text of a template and the file that holds it.
pub(crate) struct TemplateSource {
    pub(crate) text: String,
    pub(crate) path: PathBuf,
}

/// What of `tokenizer_config.json` we use, and what of it makes the engine panic when it has
/// another type.
#[derive(Default, Deserialize)]
struct TokenizerConfig {
    #[serde(default)]
    bos_token: Option<Token>,
    #[serde(default)]
    eos_token: Option<Token>,
    #[serde(default, rename = "pad_token")]
    _pad_token: Option<Token>,
    #[serde(default, rename = "unk_token")]
    _unk_token: Option<Token>,
    #[serde(default)]
    chat_template: Option<Templates>,
    #[serde(default, rename = "additional_special_tokens")]
    _additional_special_tokens: Option<Vec<String>>,
    #[serde(default, rename = "model_max_length")]
    _model_max_length: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Token {
    Text(String),
    Added { content: String },
}

impl Token {
    fn into_text(self) -> String {
        match self {
            Self::Text(content) | Self::Added { content } => content,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Templates {
    One(String),
    Named(Vec<HashMap<String, String>>),
}

impl Templates {
    /// The template for conversations without tools.
    fn into_default(self) -> Option<String> {
        match self {
            Self::One(text) => Some(text),
            Self::Named(all) => all
                .into_iter()
                .find(|template| template.get("name").is_some_and(|name| name == "default"))
                .and_then(|mut template| template.remove("template")),
        }
    }
}

/// Finds the chat template: as set, `chat_template.jinja`, `tokenizer_config.json`,
/// `chat_template.json`, or `embedded` in a GGUF file, in this order.
pub(super) fn read(
    folder: &Path,
    embedded: Option<TemplateSource>,
    settings: &LocalSettings,
) -> Result<ChatFiles, LoadError> {
    let path = folder.join("tokenizer_config.json");
    let config: TokenizerConfig = read_json(&path)?.unwrap_or_default();
    let bos_token = config.bos_token.map(Token::into_text);
    let eos_token = config.eos_token.map(Token::into_text);
    let own = folder.join("chat_template.jinja");
    let template = if let Some(path) = &settings.chat_template {
        Some(jinja(path)?)
    } else if own.is_file() {
        Some(jinja(&own)?)
    } else if let Some(text) = config.chat_template.and_then(Templates::into_default) {
        Some(TemplateSource { text, path })
    } else {
        separate(folder)?.or(embedded)
    };
    if template.is_none() && !settings.text_only {
        return Err(LoadError::NoChatTemplate { path: folder.to_owned() });
    }
    Ok(ChatFiles { template, bos_token, eos_token })
}

fn jinja(path: &Path) -> Result<TemplateSource, LoadError> {
    let text =
        fs::read_to_string(path).map_err(|error| LoadError::malformed(path, error.to_string()))?;
    Ok(TemplateSource { text, path: path.to_owned() })
}

/// The template in a file of its own, as older processors write it.
fn separate(folder: &Path) -> Result<Option<TemplateSource>, LoadError> {
    #[derive(Deserialize)]
    struct Separate {
        chat_template: String,
    }
    let path = folder.join("chat_template.json");
    let separate: Option<Separate> = read_json(&path)?;
    Ok(separate.map(|separate| TemplateSource { text: separate.chat_template, path }))
}
