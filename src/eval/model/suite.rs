//! The questions of a suite, and what a right answer is.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use thiserror::Error;

/// Why a file of JSON lines cannot be used.
#[derive(Debug, Error)]
pub enum DataError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A line is not what it has to be.
    #[error("{path}, line {line}: {message}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Nothing is in it.
    #[error("{0} holds nothing to ask")]
    Empty(PathBuf),
}

/// What a question is about: the list of the textbook.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Deserialize,
    serde::Serialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Category {
    /// Facts of the world.
    Knowledge,
    /// What a text says.
    Comprehension,
    /// To write within given bounds.
    Writing,
    /// To conclude.
    Reasoning,
    /// What a program does.
    Code,
    /// To calculate.
    Arithmetic,
    /// What is done in an office.
    Work,
    /// To call the right function.
    Tools,
    /// To be who the persona is.
    Persona,
}

impl Category {
    /// Its name in data and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Knowledge => "knowledge",
            Self::Comprehension => "comprehension",
            Self::Writing => "writing",
            Self::Reasoning => "reasoning",
            Self::Code => "code",
            Self::Arithmetic => "arithmetic",
            Self::Work => "work",
            Self::Tools => "tools",
            Self::Persona => "persona",
        }
    }
}

/// The language of a question.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Deserialize,
    serde::Serialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Lang {
    /// Chinese.
    Zh,
    /// English.
    En,
}

impl Lang {
    /// Its name in data and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }
}

/// A question.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its name, which no other has.
    pub id: String,
    /// What it is about.
    pub category: Category,
    /// Its language.
    pub lang: Lang,
    /// What is asked.
    pub prompt: String,
    /// Who is asked, by the name of a persona; nobody in particular when absent.
    #[serde(default)]
    pub persona: Option<String>,
    /// Functions that may be called, as `{"name", "description", "parameters"}`.
    #[serde(default)]
    pub tools: Vec<Value>,
    /// What a right answer is.
    pub score: Rule,
}

/// What has to be in an answer: a text, or one of several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Fact {
    /// This text.
    One(String),
    /// One of these.
    Any(Vec<String>),
}

impl Fact {
    /// The texts of which one is enough.
    pub fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Any(texts) => texts,
        }
    }
}

/// How an answer is judged.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Rule {
    /// It has the same words as one of these.
    Exact {
        /// The right answers.
        answers: Vec<String>,
    },
    /// It names one of the choices, which are lettered from A.
    Choice {
        /// The choices.
        choices: Vec<String>,
        /// The letter of the right one.
        answer: char,
    },
    /// It shares words with one of these.
    F1 {
        /// The references.
        answers: Vec<String>,
        /// From this F1 on it counts as right.
        #[serde(default = "half")]
        at_least: f64,
    },
    /// It ends at this number.
    Number {
        /// The number.
        answer: f64,
        /// How far off it may be.
        #[serde(default)]
        tolerance: f64,
    },
    /// It holds all of these and none of those, and is neither too short nor too long.
    Contains {
        /// What has to be in it.
        #[serde(default)]
        all: Vec<Fact>,
        /// What must not be in it.
        #[serde(default)]
        forbids: Vec<String>,
        /// Least Chinese characters and words.
        #[serde(default)]
        at_least: Option<u32>,
        /// Most Chinese characters and words.
        #[serde(default)]
        at_most: Option<u32>,
    },
    /// It is as long as it has to be.
    Length {
        /// Least Chinese characters and words.
        #[serde(default)]
        at_least: u32,
        /// Most Chinese characters and words.
        at_most: u32,
    },
    /// A regular expression fits it as a whole.
    Pattern {
        /// The expression.
        pattern: String,
    },
    /// It is JSON, alone or among words, with these fields.
    Json {
        /// The fields and their values; further ones are allowed.
        fields: Map<String, Value>,
    },
    /// It calls this function and no other, as JSON, or none.
    Tool {
        /// The function; `null` where none fits.
        name: Option<String>,
        /// Its arguments, all of them.
        #[serde(default)]
        arguments: Map<String, Value>,
    },
}

fn half() -> f64 {
    0.5
}

impl Item {
    /// What is wrong with it, where something is.
    fn fault(&self) -> Option<String> {
        match &self.score {
            Rule::Choice { choices, answer } => {
                let known = (b'A'..).map(char::from).take(choices.len().min(26));
                let right = known.clone().any(|letter| letter == *answer);
                (!right).then(|| format!("the answer {answer} is none of its choices"))
            }
            Rule::Pattern { pattern } => super::scoring::whole(pattern).err(),
            Rule::Exact { answers } | Rule::F1 { answers, .. } if answers.is_empty() => {
                Some("it has no right answer".to_owned())
            }
            Rule::Tool { .. } if self.tools.is_empty() => {
                Some("it offers no function to call".to_owned())
            }
            _ => None,
        }
    }
}

/// Reads a suite.
///
/// # Errors
/// When the file cannot be read, a line is no question, or an id comes twice.
pub fn read(file: &Path) -> Result<Vec<Item>, DataError> {
    let items: Vec<(usize, Item)> = lines(file)?;
    let malformed = |line, message| DataError::Malformed { path: file.to_owned(), line, message };
    let mut ids = HashSet::new();
    for (line, item) in &items {
        if let Some(fault) = item.fault() {
            return Err(malformed(*line, fault));
        }
        if !ids.insert(item.id.clone()) {
            return Err(malformed(*line, format!("the id {:?} comes twice", item.id)));
        }
    }
    Ok(items.into_iter().map(|(_, item)| item).collect())
}

/// Reads a file of JSON lines; those that are blank are passed over.
///
/// # Errors
/// When the file cannot be read, holds nothing, or a line cannot be understood.
pub fn lines<T: DeserializeOwned>(file: &Path) -> Result<Vec<(usize, T)>, DataError> {
    let text = fs::read_to_string(file)
        .map_err(|source| DataError::Unreadable { path: file.to_owned(), source })?;
    let mut read = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let value = serde_json::from_str(line).map_err(|error| DataError::Malformed {
            path: file.to_owned(),
            line: at + 1,
            message: error.to_string(),
        })?;
        read.push((at + 1, value));
    }
    if read.is_empty() { Err(DataError::Empty(file.to_owned())) } else { Ok(read) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_suite_that_ships_has_twelve_questions_of_every_kind_in_both_languages() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("evals/model.jsonl");
        let mut counts: BTreeMap<_, usize> = BTreeMap::new();
        for item in read(&file).unwrap() {
            *counts.entry((item.category, item.lang)).or_default() += 1;
        }
        assert_eq!(counts.len(), 18, "{counts:?}");
        assert!(counts.values().all(|count| *count >= 12), "{counts:?}");
    }

    #[test]
    fn a_line_that_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("suite.jsonl");
        let good = r#"{"id":"1","category":"code","lang":"en","prompt":"?","score":{"kind":"number","answer":1}}"#;
        for (second, message) in [
            (good.to_owned(), "line 3: the id \"1\" comes twice"),
            (good.replace("\"number\",\"answer\":1", "\"pattern\",\"pattern\":\"(\""), "line 3"),
            (
                good.replace(
                    "\"number\",\"answer\":1",
                    "\"choice\",\"choices\":[\"x\"],\"answer\":\"B\"",
                ),
                "none of its choices",
            ),
            (good.replace("\"number\"", "\"numbre\""), "line 3"),
        ] {
            fs::write(&file, format!("{good}\n\n{second}\n")).unwrap();
            let error = read(&file).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        fs::write(&file, "\n").unwrap();
        assert!(matches!(read(&file), Err(DataError::Empty(_))));
    }
}
