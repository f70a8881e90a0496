//! What came of each question, written down as it comes, so that a run can be gone on with.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::Path,
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::{
    scoring::Judgement,
    suite::{Category, Lang},
};

/// An answer and what it is worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The question's name.
    pub id: String,
    /// What it is about.
    pub category: Category,
    /// Its language.
    pub lang: Lang,
    /// Which time it was asked, from 1.
    pub run: u32,
    /// Who was asked.
    pub provider: String,
    /// The model, as the provider calls it.
    #[serde(default)]
    pub model: String,
    /// What was asked.
    pub prompt: String,
    /// What was answered.
    #[serde(default)]
    pub answer: String,
    /// Why nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the answer is worth.
    #[serde(flatten)]
    pub judgement: Judgement,
    /// Until the first text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<f64>,
    /// Until the end.
    #[serde(default)]
    pub total_ms: f64,
}

/// Where records go.
pub(super) struct Journal(Option<File>);

impl Journal {
    /// Begins a file, which must not be there yet; without one nothing is written.
    pub(super) fn create(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else { return Ok(Self(None)) };
        let made = OpenOptions::new().write(true).create_new(true).open(file);
        let made = made.with_context(|| {
            format!("cannot create {}; --resume goes on with one that is there", file.display())
        })?;
        Ok(Self(Some(made)))
    }

    /// Goes on with a file; gives what is in it. A last line that was cut off is dropped.
    pub(super) fn resume(file: &Path, provider: &str) -> anyhow::Result<(Self, Vec<Record>)> {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut records = Vec::new();
        for (at, line) in text[..whole].lines().enumerate() {
            let record: Record = serde_json::from_str(line)
                .with_context(|| format!("{}, line {}: no record", file.display(), at + 1))?;
            if record.provider != provider {
                let other = &record.provider;
                bail!("{} holds answers of {other}, and not of {provider}", file.display());
            }
            records.push(record);
        }
        let writable = OpenOptions::new().append(true).open(file);
        let writable = writable.with_context(|| format!("cannot write {}", file.display()))?;
        writable.set_len(u64::try_from(whole)?)?;
        Ok((Self(Some(writable)), records))
    }

    /// Writes a record at once.
    pub(super) fn write(&mut self, record: &Record) -> anyhow::Result<()> {
        if let Some(file) = &mut self.0 {
            let line = serde_json::to_string(record)? + "\n";
            file.write_all(line.as_bytes()).context("cannot write the records")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_goes_on_behind_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("records.jsonl");
        let record = Record {
            id: "1".to_owned(),
            category: Category::Code,
            lang: Lang::Zh,
            run: 1,
            provider: "it".to_owned(),
            model: "m".to_owned(),
            prompt: "问".to_owned(),
            answer: "答".to_owned(),
            error: None,
            judgement: Judgement { score: 0.5, ..Judgement::default() },
            first_token_ms: Some(1.0),
            total_ms: 2.0,
        };
        Journal::create(Some(&file)).unwrap().write(&record).unwrap();
        assert!(Journal::create(Some(&file)).is_err());
        let cut = fs::read_to_string(&file).unwrap() + "{\"id\":\"2\",\"answer\":\"答";
        fs::write(&file, cut).unwrap();
        let (mut journal, records) = Journal::resume(&file, "it").unwrap();
        assert_eq!(records, std::slice::from_ref(&record));
        journal.write(&record).unwrap();
        assert_eq!(Journal::resume(&file, "it").unwrap().1.len(), 2);
        let other = Journal::resume(&file, "other").err().unwrap().to_string();
        assert!(other.contains("answers of it"), "{other}");
    }
}
