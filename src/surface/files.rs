//! What the client of Open-LLM-VTuber loads: `Live2D` models, backgrounds, pictures, and the client
//! itself, out of one folder and nothing else.

use std::{
    io,
    path::{Path, PathBuf},
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    http::header,
    web::{self, Bytes, Data, ServiceConfig},
};
use futures::{Stream, stream};
use tokio::{fs, fs::File, io::AsyncReadExt};

use super::{House, error, error::HttpError};

/// Bytes of a file that are read at a time.
const PIECE: usize = 64 * 1024;

/// The paths, each with the folder that it shows.
const PLACES: [(&str, &str); 4] = [
    ("/live2d-models", "live2d-models"),
    ("/bg", "backgrounds"),
    ("/avatars", "avatars"),
    ("/vtuber", "frontend"),
];

/// What the endings of names mean.
const KINDS: [(&str, &str); 20] = [
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("json", "application/json"),
    ("wasm", "application/wasm"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("svg", "image/svg+xml"),
    ("ico", "image/vnd.microsoft.icon"),
    ("wav", "audio/wav"),
    ("mp3", "audio/mpeg"),
    ("ogg", "audio/ogg"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
    ("woff2", "font/woff2"),
    ("txt", "text/plain; charset=utf-8"),
];

/// Whether a path is one of them: what it shows is open to everybody, as the client brings no key.
pub(super) fn is_one(path: &str) -> bool {
    PLACES
        .iter()
        .any(|(place, _)| path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/')))
}

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    for (path, folder) in PLACES {
        let answer = move |house: Data<House>, request: HttpRequest| show(house, request, folder);
        config.service(
            web::resource(format!("{path}/{{file:.*}}"))
                .route(web::get().to(answer))
                .route(web::head().to(answer))
                .default_service(web::to(error::method_not_allowed)),
        );
    }
}

/// Shows a file.
async fn show(
    house: Data<House>,
    request: HttpRequest,
    folder: &'static str,
) -> Result<HttpResponse, HttpError> {
    let wanted = request.match_info().query("file");
    let is_page = folder == "frontend";
    let wanted = if is_page && wanted.is_empty() { "index.html" } else { wanted };
    let root = house.stage.folder(folder);
    let found = match root {
        Some(root) if is_plain(wanted) => find(&root, wanted).await,
        _ => None,
    };
    let Some((file, length)) = found else { return Err(nothing()) };
    let ending = wanted.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let kind = KINDS.iter().find(|(known, _)| ending.as_deref() == Some(*known));
    let kind = kind.map_or("application/octet-stream", |(_, kind)| kind);
    let mut response = HttpResponse::Ok();
    response
        .content_type(kind)
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if !is_page {
        // A picture may hold a script, which is not to run as ours.
        response.insert_header((header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"));
    }
    Ok(response.body(SizedStream::new(length, pieces(file, length))))
}

fn nothing() -> HttpError {
    let status = actix_web::http::StatusCode::NOT_FOUND;
    HttpError::new(status, "not_found", "there is no such file; see avatars.vtuber.files")
}

/// Whether a path stays beneath where it begins and names nothing that is hidden.
fn is_plain(path: &str) -> bool {
    !path.is_empty()
        && path.split('/').all(|part| {
            !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '\0', ':'])
        })
}

/// Opens a file beneath a folder, with its length. A link that leads out of it is none.
async fn find(root: &Path, wanted: &str) -> Option<(File, u64)> {
    let root = fs::canonicalize(root).await.ok()?;
    let path: PathBuf = fs::canonicalize(root.join(wanted)).await.ok()?;
    if !path.starts_with(&root) {
        return None;
    }
    let file = File::open(path).await.ok()?;
    let about = file.metadata().await.ok()?;
    about.is_file().then_some((file, about.len()))
}

/// A file in pieces, and no more of it than it was long.
fn pieces(file: File, length: u64) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold((file, length), |(mut file, left)| async move {
        let piece = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        if piece == 0 {
            return None;
        }
        let mut bytes = vec![0; piece];
        match file.read(&mut bytes).await {
            Ok(0) => Some((Err(io::ErrorKind::UnexpectedEof.into()), (file, 0))),
            Ok(read) => {
                bytes.truncate(read);
                Some((Ok(Bytes::from(bytes)), (file, left - read as u64)))
            }
            Err(error) => Some((Err(error), (file, 0))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_where_it_is() {
        for good in ["a.png", "mao/runtime/mao.model3.json", "表情.json", "a b.png"] {
            assert!(is_plain(good), "{good}");
        }
        for bad in [
            "",
            "..",
            "../a",
            "a/../../b",
            "/etc/passwd",
            "a//b",
            ".env",
            "a/.git/x",
            "a\\b",
            "a\0",
        ] {
            assert!(!is_plain(bad), "{bad}");
        }
    }
}
