//! Which files a model has, as its hub tells it.

use std::collections::BTreeMap;

use reqwest::{Response, Url, header::LINK};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Hub, PullError, client::Client, path::FilePath, retry::Fault, screen::Screen, verify::Checksum,
};

/// Most bytes of one page of a list.
const PAGE_BYTES: usize = 32 << 20;
/// Most pages of a list; one has up to 1,000 entries.
const MOST_PAGES: usize = 100;
/// `ModelScope` leaves out what comes after so many entries, without a word.
const MODELSCOPE_ENTRIES: usize = 3000;

/// A file that the hub has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteFile {
    pub(super) path: FilePath,
    pub(super) size: u64,
    /// What it adds up to; `None` where the hub does not say.
    pub(super) checksum: Option<Checksum>,
}

/// All files of the model, in the order of their paths.
pub(super) async fn list(client: &Client, screen: &Screen) -> Result<Vec<RemoteFile>, PullError> {
    let mut found = BTreeMap::new();
    let mut url = client.listing();
    for _ in 0..MOST_PAGES {
        let attempt = async || page(client, url.clone()).await;
        let (text, next) = client.patiently(screen, attempt).await?;
        for file in read(client, &text)? {
            found.insert(file.path.clone(), file);
        }
        let Some(query) = next else { return Ok(found.into_values().collect()) };
        url.set_query(Some(&query));
    }
    Err(PullError::TooManyFiles { model: client.model.id() })
}

/// One page of the list, and the query of the next one.
async fn page(client: &Client, url: Url) -> Result<(Vec<u8>, Option<String>), Fault> {
    let what = format!("{} in revision {}", client.model.id(), client.model.revision);
    let answer = client.get(url, 0, &what).await;
    let mut response = answer.map_err(Fault::lasting_without_connection)?;
    let next = next_query(&response);
    let mut text = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if text.len() + chunk.len() <= PAGE_BYTES => {
                text.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => {
                let begins = format!("more than {PAGE_BYTES} bytes");
                return Err(PullError::NotAHub { endpoint: client.address(), begins }.into());
            }
            Ok(None) => return Ok((text, next)),
            Err(error) => {
                let source = error.without_url().into();
                let path = "the list of files".to_owned();
                return Err(Fault::passing(PullError::Broken { path, source }));
            }
        }
    }
}

/// The query of `Link: <…?query>; rel="next"`. Only the query is used: a mirror passes on the
/// address of the hub behind it, and the token must not follow to wherever a server points.
fn next_query(response: &Response) -> Option<String> {
    let links = response.headers().get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let next = links.flat_map(|links| links.split(',')).find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = |parameter: &str| matches!(parameter.trim(), "rel=\"next\"" | "rel=next");
        parameters.split(';').any(is_next).then_some(target)
    })?;
    response.url().join(next).ok()?.query().map(str::to_owned)
}

/// The files of one page.
fn read(client: &Client, text: &[u8]) -> Result<Vec<RemoteFile>, PullError> {
    match client.model.hub {
        Hub::HuggingFace => {
            let entries: Vec<TreeEntry> = parse(client, text)?;
            let files = entries.into_iter().filter(|entry| entry.kind == "file");
            files.map(TreeEntry::into_file).collect()
        }
        Hub::ModelScope => {
            let answer: Answer = parse(client, text)?;
            let Some(entries) = answer.data.and_then(|data| data.files) else {
                let message = one_line(answer.message.as_deref().unwrap_or("no list of files"));
                return Err(PullError::Says { endpoint: client.address(), message });
            };
            if entries.len() >= MODELSCOPE_ENTRIES {
                return Err(PullError::TooManyFiles { model: client.model.id() });
            }
            let files = entries.into_iter().filter(|entry| entry.kind != "tree");
            files.map(Entry::into_file).collect()
        }
    }
}

fn parse<T: DeserializeOwned>(client: &Client, text: &[u8]) -> Result<T, PullError> {
    serde_json::from_slice(text).map_err(|error| {
        let start = String::from_utf8_lossy(&text[..text.len().min(200)]);
        let begins = match one_line(&start) {
            start if start.starts_with(['[', '{']) => error.to_string(),
            start if start.is_empty() => "nothing".to_owned(),
            start => format!("it begins with {start}"),
        };
        PullError::NotAHub { endpoint: client.address(), begins }
    })
}

/// What a server says, made fit for one line of a terminal.
fn one_line(text: &str) -> String {
    let words = text.split(|character: char| character.is_whitespace() || character.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(80).collect()
}

/// An entry of Hugging Face's `tree`.
#[derive(Deserialize)]
struct TreeEntry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    /// The id of the git blob; for a large file, of the pointer to it.
    oid: Option<String>,
    /// Where the content is kept outside of git.
    lfs: Option<LargeFile>,
}

#[derive(Deserialize)]
struct LargeFile {
    oid: String,
    size: u64,
}

impl TreeEntry {
    fn into_file(self) -> Result<RemoteFile, PullError> {
        let path = FilePath::parse(&self.path)?;
        if let Some(large) = self.lfs {
            let checksum = Checksum::sha256(&large.oid);
            return Ok(RemoteFile { path, size: large.size, checksum });
        }
        let checksum = self.oid.as_deref().and_then(Checksum::git_blob);
        Ok(RemoteFile { path, size: self.size, checksum })
    }
}

/// What `ModelScope` wraps its answers in.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    message: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    files: Option<Vec<Entry>>,
}

/// An entry of `ModelScope`'s `repo/files`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(rename = "Type", default)]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    sha256: Option<String>,
}

impl Entry {
    fn into_file(self) -> Result<RemoteFile, PullError> {
        let path = FilePath::parse(&self.path)?;
        let checksum = self.sha256.as_deref().and_then(Checksum::sha256);
        Ok(RemoteFile { path, size: self.size, checksum })
    }
}
