//! What can be wrong with the settings, said so that it can be put right.

use std::{io, path::PathBuf};

use config::ConfigError;
use thiserror::Error;

/// Why the settings cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The folder is not there.
    #[error("cannot read the configuration folder {}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A value is not legal.
    #[error("{key}: {message}")]
    Value {
        /// The key.
        key: String,
        /// What is wrong and what is legal.
        message: String,
    },
    /// A file cannot be read, or a key is unknown or of the wrong type.
    #[error("{0}")]
    Tree(String),
}

impl SettingsError {
    /// A value of this key is not legal.
    pub(crate) fn value(key: &str, message: impl Into<String>) -> Self {
        Self::Value { key: key.to_owned(), message: message.into() }
    }
}

impl From<ConfigError> for SettingsError {
    fn from(error: ConfigError) -> Self {
        let text = without_values(&error.to_string());
        Self::Tree(match suggestion(&text) {
            Some(name) => format!("{text}; did you mean `{name}`?"),
            None => text,
        })
    }
}

/// A message without what is written in the files: it may be a secret. Left out are the lines that the
/// reader of TOML repeats, and texts that stand where something else should.
pub(crate) fn without_values(message: &str) -> String {
    let repeats = |line: &str| {
        line.trim_start()
            .trim_start_matches(|letter: char| letter.is_ascii_digit())
            .trim_start()
            .starts_with('|')
    };
    let lines: Vec<_> = message
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty() && !repeats(line))
        .collect();
    let mut text = lines.join(": ");
    let (before, after) = ("invalid type: string \"", "\", expected");
    if let Some(start) = text.find(before).map(|at| at + before.len())
        && let Some(end) = text[start..].rfind(after)
    {
        text.replace_range(start..start + end, "***");
    }
    text
}

/// The legal name nearest to the one that serde reports as unknown ("unknown field `x`, expected
/// one of `a`, `b`").
fn suggestion(text: &str) -> Option<&str> {
    let rest = text.split_once("unknown field `")?.1;
    let (unknown, rest) = rest.split_once('`')?;
    nearest(unknown, rest.split('`').skip(1).step_by(2))
}

/// Longest name that is compared with those that are known, in bytes.
const LONGEST_NAME: usize = 64;

/// A message that a name is not known, with the nearest one that is.
pub(crate) fn unknown_name<'a>(
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> String {
    let shown: String = name.chars().take(64).collect();
    match nearest(name, known.clone()) {
        Some(near) => format!("there is no {what} `{shown}`; did you mean `{near}`?"),
        None => format!(
            "there is no {what} `{shown}`; there are: {}",
            known.collect::<Vec<_>>().join(", ")
        ),
    }
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // The distance takes time in proportion to the length, and a caller chooses the length.
    if name.len() > LONGEST_NAME {
        return None;
    }
    known
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_holds_nothing_of_what_is_written() {
        let toml = "TOML parse error at line 3, column 9\n  |\n3 | url = \"redis://:hunter2@host\n  |         ^\ninvalid basic string\n";
        let shown = without_values(toml);
        assert_eq!(shown, "TOML parse error at line 3, column 9: invalid basic string");
        let serde = "invalid type: string \"sk-1\"2\", expected u64 for key `a`";
        assert_eq!(without_values(serde), "invalid type: string \"***\", expected u64 for key `a`");
    }

    #[test]
    fn only_a_name_that_somebody_may_have_mistyped_is_compared() {
        let known = ["demo", "direct"].into_iter();
        assert!(unknown_name("provider", "dmo", known.clone()).ends_with("did you mean `demo`?"));
        let long = unknown_name("provider", &"demo".repeat(1 << 20), known);
        assert!(long.len() < 200 && long.ends_with("there are: demo, direct"), "{long}");
    }
}
