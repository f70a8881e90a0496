//! The two hubs: their addresses, and how they name a model's files.

use clap::ValueEnum;
use reqwest::Url;

use super::{PullError, model::Model};

/// Where models are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Hub {
    /// Hugging Face, or a mirror of it.
    #[value(name = "huggingface")]
    HuggingFace,
    /// `ModelScope`.
    #[value(name = "modelscope", help = "ModelScope")]
    ModelScope,
}

impl Hub {
    /// The prefix that names it in front of a model.
    pub(super) fn from_prefix(prefix: &str) -> Option<Self> {
        Self::from_str(prefix, false).ok()
    }

    /// Where it is, unless a variable says otherwise.
    pub(super) fn default_endpoint(self) -> &'static str {
        match self {
            Self::HuggingFace => "https://huggingface.co",
            Self::ModelScope => "https://modelscope.cn",
        }
    }

    /// The variable that names another place.
    pub(super) fn endpoint_variable(self) -> &'static str {
        match self {
            Self::HuggingFace => "HF_ENDPOINT",
            Self::ModelScope => "MODELSCOPE_ENDPOINT",
        }
    }

    /// The variable that holds the token.
    pub(super) fn token_variable(self) -> &'static str {
        match self {
            Self::HuggingFace => "HF_TOKEN",
            Self::ModelScope => "MODELSCOPE_API_TOKEN",
        }
    }

    /// The branch that holds the published state.
    pub(super) fn default_revision(self) -> &'static str {
        match self {
            Self::HuggingFace => "main",
            Self::ModelScope => "master",
        }
    }

    /// Reads an endpoint as a person writes it.
    pub(super) fn endpoint(self, written: Option<&str>) -> Result<Url, PullError> {
        let text = written.map(str::trim).filter(|text| !text.is_empty());
        let text = text.unwrap_or(self.default_endpoint());
        match Url::parse(text) {
            // What stands before an `@` would show in every message.
            Ok(url) if url.has_authority() && (url.username(), url.password()) != ("", None) => {
                Err(PullError::Request(format!(
                    "{}: leave name and password out; {} is for what the hub wants to know",
                    self.endpoint_variable(),
                    self.token_variable()
                )))
            }
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
            _ => Err(PullError::Request(format!(
                "{}: {text:?} is no address; write it as https://HOST",
                self.endpoint_variable()
            ))),
        }
    }

    /// The page where people read about `model`.
    pub(super) fn page(self, endpoint: &Url, model: &Model) -> Url {
        match self {
            Self::HuggingFace => below(endpoint, model.parts()),
            Self::ModelScope => below(endpoint, ["models"].into_iter().chain(model.parts())),
        }
    }

    /// Where the files of `model` are listed.
    pub(super) fn listing(self, endpoint: &Url, model: &Model) -> Url {
        match self {
            Self::HuggingFace => {
                let start = ["api", "models"].into_iter().chain(model.parts());
                let mut url = below(endpoint, start.chain(["tree", &model.revision]));
                url.query_pairs_mut().append_pair("recursive", "true");
                url
            }
            Self::ModelScope => {
                let start = ["api", "v1", "models"].into_iter().chain(model.parts());
                let mut url = below(endpoint, start.chain(["repo", "files"]));
                url.query_pairs_mut()
                    .append_pair("Revision", &model.revision)
                    .append_pair("Recursive", "True");
                url
            }
        }
    }

    /// Where the file at `path` of `model` is.
    pub(super) fn file(self, endpoint: &Url, model: &Model, path: &str) -> Url {
        match self {
            Self::HuggingFace => {
                let start = model.parts().chain(["resolve", &model.revision]);
                below(endpoint, start.chain(path.split('/')))
            }
            Self::ModelScope => {
                let start = ["api", "v1", "models"].into_iter().chain(model.parts());
                let mut url = below(endpoint, start.chain(["repo"]));
                url.query_pairs_mut()
                    .append_pair("Revision", &model.revision)
                    .append_pair("FilePath", path);
                url
            }
        }
    }
}

/// The address with `parts` added to its path, each written so that it stays one part.
fn below<'a>(endpoint: &Url, parts: impl IntoIterator<Item = &'a str>) -> Url {
    let mut url = endpoint.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Only an address without a host has no path, and `endpoint` refuses those.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(parts);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(hub: Hub, endpoint: &str, revision: &str) -> [String; 3] {
        let endpoint = hub.endpoint(Some(endpoint)).unwrap();
        let model = Model::parse("org/name", Some(hub), Some(revision)).unwrap();
        [
            hub.page(&endpoint, &model).to_string(),
            hub.listing(&endpoint, &model).to_string(),
            hub.file(&endpoint, &model, "a b/c?#%.json").to_string(),
        ]
    }

    #[test]
    fn addresses_are_those_of_the_hubs() {
        assert_eq!(
            urls(Hub::HuggingFace, "https://h", "refs/pr/1"),
            [
                "https://h/org/name",
                "https://h/api/models/org/name/tree/refs%2Fpr%2F1?recursive=true",
                "https://h/org/name/resolve/refs%2Fpr%2F1/a%20b/c%3F%23%25.json",
            ]
        );
        assert_eq!(
            urls(Hub::ModelScope, "https://m/", "v1.0"),
            [
                "https://m/models/org/name",
                "https://m/api/v1/models/org/name/repo/files?Revision=v1.0&Recursive=True",
                "https://m/api/v1/models/org/name/repo?Revision=v1.0&FilePath=a+b%2Fc%3F%23%25.json",
            ]
        );
    }

    #[test]
    fn a_mirror_may_lie_below_a_path() {
        let [page, ..] = urls(Hub::HuggingFace, "http://mirror:8080/hf/", "main");
        assert_eq!(page, "http://mirror:8080/hf/org/name");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for written in ["mirror", "ftp://mirror", "file:///etc"] {
            let error = Hub::HuggingFace.endpoint(Some(written)).unwrap_err().to_string();
            assert!(error.contains("HF_ENDPOINT"), "{error}");
        }
        let secret = Hub::HuggingFace.endpoint(Some("https://me:secret@mirror")).unwrap_err();
        assert!(!secret.to_string().contains("secret"), "{secret}");
        let empty = Hub::ModelScope.endpoint(Some(" ")).unwrap();
        assert_eq!(empty.as_str(), "https://modelscope.cn/");
    }
}
