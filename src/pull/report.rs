//! What comes next: the lines of the configuration, and what has to be done before.

use std::path::{Path, PathBuf};

use toml::Value;

use super::{choice::Weights, model::Model};

/// Where a model was put.
pub(super) struct Place {
    /// The folder.
    pub(super) folder: PathBuf,
    /// The folder that paths of the configuration start from, if it is known.
    pub(super) home: Option<PathBuf>,
    /// The folder that the command was given in.
    pub(super) here: PathBuf,
}

impl Place {
    /// The folder as a command names it.
    pub(super) fn seen_from_here(&self) -> String {
        relative(&self.folder, Some(&self.here))
    }

    /// The folder as the configuration names it.
    fn seen_from_home(&self) -> String {
        relative(&self.folder, self.home.as_deref())
    }
}

/// What to say in the end.
pub(super) struct Report {
    /// For the person.
    pub(super) advice: String,
    /// For the configuration.
    pub(super) block: String,
}

/// What follows once the files are there; `None` when there are no weights among them.
pub(super) fn report(model: &Model, place: &Place, weights: &Weights) -> Option<Report> {
    let (first, path) = match weights {
        Weights::None => return None,
        Weights::Safetensors => (String::new(), place.seen_from_home()),
        Weights::Gguf { path, tokenizer } => {
            let first = if *tokenizer { String::new() } else { tokenizer_advice(place) };
            (first, format!("{}/{path}", place.seen_from_home()))
        }
        Weights::Old => (conversion_advice(place), converted(&place.seen_from_home())),
    };
    let name = provider_name(&model.name);
    let advice = format!(
        "{first}For config/local.toml, together with provider = \"{name}\" under [turn]:\n"
    );
    let block = format!("[providers.{name}]\nkind = \"local\"\nmodel = {}\n", Value::String(path));
    Some(Report { advice, block })
}

/// An old form has to be converted.
fn conversion_advice(place: &Place) -> String {
    let from = place.seen_from_here();
    let (to, from) = (quoted(&converted(&from)), quoted(&from));
    format!(
        "This model is in an old form, which has to be converted first:\n\n    \
         anima convert {from} {to}\n\n"
    )
}

/// A GGUF file alone is not enough for the engine.
fn tokenizer_advice(place: &Place) -> String {
    format!(
        "The engine needs the tokenizer.json of the original model beside the GGUF file. Once you \
         know that model:\n\n    anima pull ORG/NAME --include tokenizer.json --into {}\n\n",
        quoted(&place.seen_from_here())
    )
}

fn converted(folder: &str) -> String {
    format!("{folder}-converted")
}

/// A name that needs no quotes in TOML and can be part of a variable.
fn provider_name(model: &str) -> String {
    let plain = |character: char| match character.to_ascii_lowercase() {
        plain @ ('a'..='z' | '0'..='9' | '_' | '-') => plain,
        _ => '-',
    };
    model.chars().map(plain).collect()
}

fn relative(path: &Path, to: Option<&Path>) -> String {
    let below = to.and_then(|folder| path.strip_prefix(folder).ok());
    let below = below.filter(|below| !below.as_os_str().is_empty());
    below.unwrap_or(path).display().to_string()
}

/// A word of a command line, in quotes where it needs them.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "-_./+@:=".contains(character);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(folder: &str) -> Place {
        Place { folder: folder.into(), home: Some("/home".into()), here: "/home".into() }
    }

    fn of(folder: &str, weights: &Weights) -> Report {
        let model = Model::parse("Qwen/Qwen3-0.6B", None, None).unwrap();
        report(&model, &place(folder), weights).unwrap()
    }

    #[test]
    fn the_block_names_the_folder_seen_from_home() {
        let block = of("/home/models/Qwen3-0.6B", &Weights::Safetensors).block;
        assert_eq!(
            block,
            "[providers.qwen3-0-6b]\nkind = \"local\"\nmodel = \"models/Qwen3-0.6B\"\n"
        );
        let block = of("/else\"where", &Weights::Safetensors).block;
        let read: toml::Table = block.parse().unwrap();
        assert_eq!(read["providers"]["qwen3-0-6b"]["model"].as_str(), Some("/else\"where"));
    }

    #[test]
    fn a_gguf_file_is_named_itself_and_needs_its_tokenizer() {
        let weights = |tokenizer| Weights::Gguf { path: "a.gguf".to_owned(), tokenizer };
        let without = of("/home/models/x", &weights(false));
        assert!(without.block.contains("model = \"models/x/a.gguf\""), "{}", without.block);
        assert!(without.advice.contains("--include tokenizer.json --into models/x"));
        assert!(!of("/home/models/x", &weights(true)).advice.contains("tokenizer.json"));
    }

    #[test]
    fn an_old_form_is_converted_first() {
        let old = of("/home/models/my model", &Weights::Old);
        assert!(
            old.advice.contains("anima convert 'models/my model' 'models/my model-converted'"),
            "{}",
            old.advice
        );
        assert!(old.block.contains("model = \"models/my model-converted\""), "{}", old.block);
    }
}
