//! Fetches one file: goes on where it stopped, and ends with the file in its place or not at all.

use std::path::Path;

use reqwest::{Response, header::CONTENT_RANGE};

use super::{
    PullError, client::Client, listing::RemoteFile, part::Part, retry::Fault, screen::Screen,
};

/// An attempt that brought so many bytes was not in vain.
const ADVANCE_BYTES: u64 = 1 << 20;

/// Fetches `file` into `folder`.
pub(super) async fn fetch(
    client: &Client,
    screen: &Screen,
    folder: &Path,
    file: &RemoteFile,
) -> Result<(), PullError> {
    let mut part = Part::open(folder, file).await?;
    screen.found(part.length());
    client
        .patiently(screen, async || {
            let start = part.length();
            match attempt(client, screen, file, &mut part).await {
                Err(Fault::Passing { error, .. }) if part.length() >= start + ADVANCE_BYTES => {
                    Err(Fault::Advanced(error))
                }
                outcome => outcome,
            }
        })
        .await?;
    part.finish().await?;
    screen.arrived(file);
    Ok(())
}

/// Asks once for what is missing, and takes what comes.
async fn attempt(
    client: &Client,
    screen: &Screen,
    file: &RemoteFile,
    part: &mut Part,
) -> Result<(), Fault> {
    if part.length() == file.size {
        return Ok(());
    }
    let path = file.path.as_str();
    let mut response = client.get(client.file(&file.path), part.length(), path).await?;
    place(client, screen, file, part, &response).await?;
    let refuse = |part: &Part, came: u64| {
        part.remove()?;
        Err(PullError::Size { path: path.to_owned(), came, size: file.size }.into())
    };
    if let Some(rest) = response.content_length() {
        let announced = part.length().saturating_add(rest);
        if announced != file.size {
            return refuse(part, announced);
        }
    }
    loop {
        let chunk = response.chunk().await.map_err(|error| {
            let source = error.without_url().into();
            Fault::passing(PullError::Broken { path: path.to_owned(), source })
        })?;
        let Some(chunk) = chunk else { break };
        let came = part.length() + chunk.len() as u64;
        if came > file.size {
            return refuse(part, came);
        }
        part.write(&chunk).await?;
        screen.came(chunk.len() as u64);
    }
    if part.length() < file.size {
        let (path, came) = (path.to_owned(), part.length());
        return Err(Fault::passing(PullError::Cut { path, came, size: file.size }));
    }
    Ok(())
}

/// Sees to it that the part file ends where the answer begins.
async fn place(
    client: &Client,
    screen: &Screen,
    file: &RemoteFile,
    part: &mut Part,
    response: &Response,
) -> Result<(), Fault> {
    let start = part.length();
    let status = response.status().as_u16();
    if status == 206 && begins_at(response, start) {
        return Ok(());
    }
    if start > 0 {
        screen.lost(start);
        part.restart().await?;
    }
    // Any other success is the whole file: not every server goes on in the middle.
    if status == 206 || status == 416 {
        let (endpoint, path) = (client.address(), file.path.to_string());
        return Err(Fault::passing(PullError::NoRange { endpoint, path }));
    }
    Ok(())
}

/// Whether the answer is the file from byte `start` on (`Content-Range: bytes START-END/SIZE`).
fn begins_at(response: &Response, start: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let first = range.and_then(|range| range.trim().strip_prefix("bytes ")?.split_once('-'));
    first.is_some_and(|(first, _)| first.trim().parse() == Ok(start))
}
