//! Pictures of a call that are named by their address: they are fetched once the call has its place.

use tokio::time::{Instant, timeout_at};

use super::{
    HttpError,
    body::TextOr,
    messages::{self, MAX_IMAGES, WireMessage},
};
use crate::pictures::{PictureError, PictureFetcher};

/// The smallest picture that stands for one which is not there yet.
const STAND_IN: &str = "data:image/png;base64,AAAA";

/// Whether there is anything to fetch.
pub(super) fn are_elsewhere(messages: &mut TextOr<WireMessage>) -> bool {
    messages::addresses(messages).any(|(_, url)| is_elsewhere(url))
}

/// Puts something where addresses are, so that the rest of the call can be checked.
pub(super) fn stand_in(messages: &mut TextOr<WireMessage>) {
    for (_, url) in messages::addresses(messages).filter(|(_, url)| is_elsewhere(url)) {
        STAND_IN.clone_into(url);
    }
}

/// Puts the pictures themselves where addresses are; all of them together have the time of one.
///
/// # Errors
/// When one of them may not be fetched, or is none.
pub(super) async fn fetch(
    fetcher: &PictureFetcher,
    messages: &mut TextOr<WireMessage>,
) -> Result<(), HttpError> {
    let mut left = fetcher.most_bytes();
    let deadline = Instant::now() + fetcher.patience();
    // More than that are refused as a whole, when the messages are read.
    for (param, url) in messages::addresses(messages).take(MAX_IMAGES) {
        if is_elsewhere(url) {
            let picture = timeout_at(deadline, fetcher.fetch(url, left)).await;
            let picture = picture.unwrap_or(Err(PictureError::Unreachable)).map_err(|error| {
                HttpError::parameter(&param, error.to_string()).with_code("invalid_image")
            })?;
            // Four characters are three bytes.
            left = left.saturating_sub(picture.len() / 4 * 3);
            *url = picture;
        }
    }
    Ok(())
}

fn is_elsewhere(url: &str) -> bool {
    ["http:", "https:"].iter().any(|scheme| starts_with(url, scheme))
}

fn starts_with(url: &str, scheme: &str) -> bool {
    url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}
