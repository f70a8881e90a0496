//! Pictures of a call that are named by their address: they are fetched before anything else is done.

use super::{
    HttpError,
    body::TextOr,
    messages::{self, MAX_IMAGES, WireMessage},
};
use crate::pictures::PictureFetcher;

/// Puts the pictures themselves where addresses are.
///
/// # Errors
/// When one of them may not be fetched, or is none.
pub(super) async fn fetch(
    fetcher: &PictureFetcher,
    messages: &mut TextOr<WireMessage>,
) -> Result<(), HttpError> {
    let mut left = fetcher.most_bytes();
    let is_elsewhere =
        |url: &str| ["http:", "https:"].iter().any(|scheme| starts_with(url, scheme));
    // More than that are refused as a whole, when the messages are read.
    for (param, url) in messages::addresses(messages).take(MAX_IMAGES) {
        if is_elsewhere(url) {
            let picture = fetcher.fetch(url, left).await.map_err(|error| {
                HttpError::parameter(&param, error.to_string()).with_code("invalid_image")
            })?;
            // Four characters are three bytes.
            left = left.saturating_sub(picture.len() / 4 * 3);
            *url = picture;
        }
    }
    Ok(())
}

fn starts_with(url: &str, scheme: &str) -> bool {
    url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}
