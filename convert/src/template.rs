//! Chat templates for models that come without one.

use std::{fmt, path::Path, str::FromStr};

use serde_json::{Map, Value};

/// How a model was taught to be asked. The forms are those of the styles in `prompts/styles.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// Linly's Chinese-LLaMA: `### Instruction:…  ### Response:`.
    Linly,
    /// Llama2-Chinese and Atom, by `FlagAlpha`: `<s>Human: …`.
    Llama2Chinese,
    /// Meta's Llama 2 chat: `[INST] … [/INST]`.
    Llama2,
}

const ALL: [Template; 3] = [Template::Linly, Template::Llama2Chinese, Template::Llama2];

impl Template {
    /// The content of `chat_template.jinja`.
    pub fn jinja(self) -> &'static str {
        match self {
            Self::Linly => include_str!("../templates/linly.jinja"),
            Self::Llama2Chinese => include_str!("../templates/llama2-chinese.jinja"),
            Self::Llama2 => include_str!("../templates/llama2.jinja"),
        }
    }

    /// The style of `prompts/styles.toml` that makes the same prompt, where there is one.
    pub fn style(self) -> Option<&'static str> {
        match self {
            Self::Linly => Some("linly"),
            Self::Llama2Chinese => Some("llama2_chinese"),
            Self::Llama2 => None,
        }
    }

    /// Guesses from the name of the folder, and from the name that its configuration has.
    pub(crate) fn guess(folder: &Path, config: &Map<String, Value>) -> Option<Self> {
        let folder = folder.file_name().map(|name| name.to_string_lossy().to_lowercase());
        let named = config.get("_name_or_path").and_then(Value::as_str).map(str::to_lowercase);
        [folder, named].into_iter().flatten().find_map(|name| {
            let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
            if has(&["linly", "chinese-llama-2-7b-hf", "chinese-llama-2-13b-hf", "chatflow"]) {
                Some(Self::Linly)
            } else if has(&["atom-", "flagalpha", "llama2-chinese"]) {
                Some(Self::Llama2Chinese)
            } else if has(&["chinese-alpaca-2"]) || has(&["llama-2", "llama2"]) && has(&["chat"]) {
                Some(Self::Llama2)
            } else {
                None
            }
        })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Linly => "linly",
            Self::Llama2Chinese => "llama2-chinese",
            Self::Llama2 => "llama2",
        })
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        ALL.into_iter()
            .find(|template| template.to_string() == name)
            .ok_or_else(|| "it must be linly, llama2-chinese or llama2".to_owned())
    }
}
