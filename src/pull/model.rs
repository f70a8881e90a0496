//! The name of a model, as a person writes it.

use super::{Hub, PullError};

/// A model in one of its states on one hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) hub: Hub,
    organization: String,
    /// What it is called within its organization.
    pub(super) name: String,
    /// Branch, tag or commit.
    pub(super) revision: String,
}

impl Model {
    /// Reads `[HUB:]ORG/NAME[@REVISION]`; what the options say must not contradict it.
    pub(super) fn parse(
        text: &str,
        from: Option<Hub>,
        revision: Option<&str>,
    ) -> Result<Self, PullError> {
        let refuse = |why: &str| {
            PullError::Request(format!(
                "{text:?} {why}; write org/name, org/name@revision or modelscope:org/name"
            ))
        };
        let (prefix, rest) = match text.split_once(':') {
            Some((prefix, rest)) => {
                let hub = Hub::from_prefix(prefix).ok_or_else(|| refuse("names no known hub"))?;
                (Some(hub), rest)
            }
            None => (None, text),
        };
        if prefix.is_some() && from.is_some() && prefix != from {
            return Err(refuse("names another hub than --from"));
        }
        let hub = prefix.or(from).unwrap_or(Hub::HuggingFace);
        let (id, suffix) = match rest.split_once('@') {
            Some((id, suffix)) => (id, Some(suffix)),
            None => (rest, None),
        };
        if suffix.is_some() && revision.is_some() && suffix != revision {
            return Err(refuse("names another revision than --revision"));
        }
        let revision = suffix.or(revision).unwrap_or(hub.default_revision());
        if !is_revision(revision) {
            return Err(refuse("has no legal revision"));
        }
        match id.split_once('/') {
            Some((organization, name)) if is_part(organization) && is_part(name) => Ok(Self {
                hub,
                organization: organization.to_owned(),
                name: name.to_owned(),
                revision: revision.to_owned(),
            }),
            _ => Err(refuse("is no name of a model")),
        }
    }

    /// The two parts of its name.
    pub(super) fn parts(&self) -> impl Iterator<Item = &str> {
        [self.organization.as_str(), &self.name].into_iter()
    }

    /// `ORG/NAME`
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.organization, self.name)
    }
}

/// The names that both hubs allow.
fn is_part(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    // A leading dot would make a hidden folder of it, or one of `.` and `..`.
    (1..=96).contains(&text.len()) && text.bytes().all(legal) && !text.starts_with('.')
}

/// What git allows in the name of a branch, nearly.
fn is_revision(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/+".contains(&byte);
    (1..=256).contains(&text.len())
        && text.bytes().all(legal)
        && !text.contains("..")
        && text != "."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_forms_are_read() {
        for (text, from, revision, expected) in [
            ("Qwen/Qwen3-0.6B", None, None, (Hub::HuggingFace, "Qwen/Qwen3-0.6B", "main")),
            ("huggingface:a/b@v1", None, None, (Hub::HuggingFace, "a/b", "v1")),
            ("modelscope:a/b", None, None, (Hub::ModelScope, "a/b", "master")),
            ("a/b", Some(Hub::ModelScope), Some("v2"), (Hub::ModelScope, "a/b", "v2")),
        ] {
            let model = Model::parse(text, from, revision).unwrap();
            assert_eq!((model.hub, model.id().as_str(), model.revision.as_str()), expected);
        }
    }

    #[test]
    fn other_forms_are_refused_with_the_legal_ones() {
        for text in [
            "",
            "name",
            "a/b/c",
            "/b",
            "a/",
            "../b",
            "a/..",
            "a/.b",
            "a b/c",
            "github:a/b",
            "https://huggingface.co/a/b",
            "a/b@",
            "a/b@../x",
            "a/b@x y",
            "a\\b/c",
        ] {
            let error = Model::parse(text, None, None).unwrap_err().to_string();
            assert!(error.contains("write org/name"), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_said_twice_must_agree() {
        assert!(Model::parse("modelscope:a/b", Some(Hub::ModelScope), None).is_ok());
        assert!(Model::parse("modelscope:a/b", Some(Hub::HuggingFace), None).is_err());
        assert!(Model::parse("a/b@x", None, Some("x")).is_ok());
        assert!(Model::parse("a/b@x", None, Some("y")).is_err());
    }
}
