//! What there is to fetch, known before the first byte comes.

use std::path::Path;

use indicatif::HumanBytes;

use super::{
    PullError,
    listing::RemoteFile,
    part,
    record::{Presence, Record},
    screen::Screen,
};

/// The chosen files, and what of them is here.
pub(super) struct Plan {
    files: Vec<Item>,
}

struct Item {
    file: RemoteFile,
    presence: Presence,
    /// Bytes that an earlier run left.
    kept: u64,
}

impl Plan {
    /// Looks at what lies in `folder`. A file that did not come from the hub like this is replaced
    /// only when `overwrite` says so.
    pub(super) async fn make(
        files: Vec<RemoteFile>,
        folder: &Path,
        record: &mut Record,
        screen: &Screen,
        overwrite: bool,
    ) -> Result<Self, PullError> {
        let mut items = Vec::new();
        for file in files {
            let presence = record.presence(&file, screen).await?;
            let kept = part::kept(folder, &file);
            items.push(Item { file, presence, kept });
        }
        let different = items.iter().filter(|item| item.presence == Presence::Different);
        let paths: Vec<String> = different.map(|item| item.file.path.to_string()).collect();
        if paths.is_empty() || overwrite {
            Ok(Self { files: items })
        } else {
            Err(PullError::Different { paths })
        }
    }

    /// The files to fetch.
    pub(super) fn missing(&self) -> impl Iterator<Item = &RemoteFile> {
        self.to_fetch().map(|item| &item.file)
    }

    /// How many bytes the files to fetch have, those that are here included.
    pub(super) fn total(&self) -> u64 {
        self.to_fetch().map(|item| item.file.size).fold(0, u64::saturating_add)
    }

    /// How many bytes still have to come.
    pub(super) fn needed(&self) -> u64 {
        self.to_fetch().map(|item| item.file.size - item.kept).fold(0, u64::saturating_add)
    }

    fn to_fetch(&self) -> impl Iterator<Item = &Item> {
        self.files.iter().filter(|item| item.presence != Presence::Complete)
    }

    /// The plan for people, one line a file and one for all.
    pub(super) fn describe(&self) -> String {
        let width = |item: &Item| item.file.path.as_str().chars().count();
        let width = self.files.iter().map(width).max().unwrap_or(0);
        let mut lines: Vec<String> = self.files.iter().map(|item| item.describe(width)).collect();
        lines.push(match self.to_fetch().count() {
            0 => format!("Already there: all {} files.", self.files.len()),
            1 => format!("To fetch: {} in 1 file.", HumanBytes(self.needed())),
            count => format!("To fetch: {} in {count} files.", HumanBytes(self.needed())),
        });
        lines.join("\n")
    }
}

impl Item {
    fn describe(&self, width: usize) -> String {
        let size = HumanBytes(self.file.size).to_string();
        let state = match (self.presence, self.kept) {
            (Presence::Complete, _) => "already there".to_owned(),
            (_, kept) if kept > 0 => format!("{} of it are here", HumanBytes(kept)),
            (Presence::Outdated, _) => "changed on the hub".to_owned(),
            (Presence::Different, _) => "replaces another file".to_owned(),
            (Presence::Missing, _) => String::new(),
        };
        let line = format!("  {:width$}  {size:>10}  {state}", self.file.path.as_str());
        line.trim_end().to_owned()
    }
}
