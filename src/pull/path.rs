//! Where a file of a model lies: a path that cannot leave its folder.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::{PullError, record};

/// A path below a folder, as a hub names it: plain parts with `/` between them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FilePath(String);

impl FilePath {
    /// Accepts only what stays in the folder on every system. What a hub says is not trusted.
    pub(super) fn parse(text: &str) -> Result<Self, PullError> {
        let plain = |part: &str| !matches!(part, "" | "." | "..");
        let legal = |character: char| !character.is_control() && character != '\\';
        if text.split('/').all(plain) && text.chars().all(legal) && text != record::NAME {
            Ok(Self(text.to_owned()))
        } else {
            Err(PullError::HostilePath { path: text.chars().take(200).collect() })
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part.
    pub(super) fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// What stands after the last dot of its name.
    pub(super) fn extension(&self) -> Option<&str> {
        self.name().rsplit_once('.').map(|(_, extension)| extension)
    }

    /// Whether it lies in the folder itself and not below it.
    pub(super) fn is_top(&self) -> bool {
        !self.0.contains('/')
    }

    /// The path below `folder`.
    pub(super) fn below(&self, folder: &Path) -> PathBuf {
        folder.join(&self.0)
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_paths_are_refused() {
        for path in [
            "",
            "/",
            "/etc/passwd",
            "//host/x",
            "..",
            "../x",
            "a/../../x",
            "a/..",
            ".",
            "./x",
            "a//b",
            "a/",
            "a\\b",
            "..\\x",
            "C:\\x",
            "a\0b",
            "a\nb",
            "a\u{1b}[2Jb",
            record::NAME,
        ] {
            assert!(FilePath::parse(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn plain_paths_are_kept() {
        for path in ["config.json", "a/b/c.gguf", ".gitattributes", "...", "模型/权重.gguf"] {
            assert_eq!(FilePath::parse(path).unwrap().as_str(), path);
        }
    }

    proptest! {
        #[test]
        fn an_accepted_path_stays_below_its_folder(text in "[./\\\\a:\u{0}-\u{2}]{0,12}") {
            if let Ok(path) = FilePath::parse(&text) {
                let mut depth = 0;
                for part in path.below(Path::new("folder")).components() {
                    prop_assert!(matches!(part, std::path::Component::Normal(_)));
                    depth += 1;
                }
                prop_assert!(depth >= 2);
            }
        }
    }
}
