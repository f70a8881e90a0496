//! Fetches pictures that callers name by their address, and nothing else.
//!
//! Whoever lets a service fetch an address that others choose lets them reach whatever the service
//! reaches: the network behind it, and the machine itself. So nothing is fetched unless the
//! configuration says so, and then only what `address` calls public. The name of a server is looked
//! up here, and the connection goes to the very address that was looked at; a redirection is a new
//! address. Only pictures are handed on, of a bounded size and within a bounded time, and an error
//! does not tell what is there.

mod address;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{
    Client, Response, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT, CONTENT_TYPE, LOCATION},
    redirect::Policy,
};
use thiserror::Error;
use tokio::{net::lookup_host, sync::Semaphore, time::timeout};
use tracing::debug;

use crate::settings::{ImageSettings, PictureSources};

/// Most redirections of one picture.
const MOST_REDIRECTIONS: usize = 3;

/// Pictures that are fetched at a time; the others wait, which counts as their time.
const AT_A_TIME: usize = 8;

/// Most characters of an address.
const LONGEST: usize = 2048;

/// Why there is no picture. None of it tells what is at the address.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PictureError {
    /// Nothing is fetched by this service.
    #[error(
        "pictures are not fetched by this service: send them as data:image/…;base64 URLs, or set \
         server.images.fetch in its configuration"
    )]
    Off,
    /// It is no address that pictures are fetched from.
    #[error("{0}")]
    Address(&'static str),
    /// The server cannot be reached, may not be reached, or does not give a picture.
    #[error(
        "the picture could not be fetched: its server is not reachable from here, is none that \
         pictures are fetched from, or did not give it in time"
    )]
    Unreachable,
    /// It is none of the formats that models look at.
    #[error("what is at this address is no picture: PNG, JPEG, WebP and GIF are taken")]
    Format,
    /// It is too large.
    #[error("the pictures of a call may have {0} bytes together")]
    TooLarge(usize),
}

/// Fetches pictures.
pub struct PictureFetcher {
    settings: ImageSettings,
    /// `None` where nothing is fetched.
    client: Option<Client>,
    places: Semaphore,
}

impl PictureFetcher {
    /// A fetcher that does what the settings allow.
    pub fn new(settings: ImageSettings) -> Self {
        let client = (settings.fetch != PictureSources::Off).then(|| client(&settings));
        // Without one nothing can be fetched, which is what callers are told then.
        let client = client.and_then(Result::ok);
        Self { settings, client, places: Semaphore::new(AT_A_TIME) }
    }

    /// Most bytes of the pictures of one call.
    pub fn most_bytes(&self) -> usize {
        self.settings.max_bytes
    }

    /// How long fetching may take.
    pub fn patience(&self) -> Duration {
        Duration::from_millis(self.settings.timeout_ms)
    }

    /// The picture at an address, of at most so many bytes, as a `data:` URL.
    ///
    /// # Errors
    /// When there is none, or it may not be fetched.
    pub async fn fetch(&self, url: &str, most: usize) -> Result<String, PictureError> {
        let client = self.client.as_ref().ok_or(PictureError::Off)?;
        let fetch = async {
            // It is never closed.
            let _place = self.places.acquire().await.map_err(|_| PictureError::Unreachable)?;
            self.follow(client, url, most).await
        };
        timeout(self.patience(), fetch).await.map_err(|_| PictureError::Unreachable)?
    }

    async fn follow(
        &self,
        client: &Client,
        url: &str,
        most: usize,
    ) -> Result<String, PictureError> {
        let malformed = PictureError::Address(
            "an address of a picture is a URL such as https://example.org/a.png",
        );
        if url.len() > LONGEST {
            return Err(malformed);
        }
        let mut url = Url::parse(url).map_err(|_| malformed)?;
        for _ in 0..=MOST_REDIRECTIONS {
            self.check(&url)?;
            let response = client.get(url.clone()).header(ACCEPT, "image/*").send().await;
            let response = response.map_err(|error| {
                debug!("A picture could not be fetched: {}", error.without_url());
                PictureError::Unreachable
            })?;
            if !response.status().is_redirection() {
                return self.read(response, most).await;
            }
            let next = response.headers().get(LOCATION).and_then(|next| next.to_str().ok());
            url = next.and_then(|next| url.join(next).ok()).ok_or(PictureError::Unreachable)?;
        }
        Err(PictureError::Unreachable)
    }

    /// Looks at an address before anything is done with it. What its name stands for is looked at by
    /// [`Resolver`] when the name is looked up.
    fn check(&self, url: &Url) -> Result<(), PictureError> {
        match (url.scheme(), self.settings.fetch) {
            ("https", _) | ("http", PictureSources::Http) => {}
            ("http", _) => {
                return Err(PictureError::Address(
                    "pictures are only fetched from https addresses",
                ));
            }
            _ => return Err(PictureError::Address("pictures are fetched from https addresses")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(PictureError::Address("an address of a picture holds no name or password"));
        }
        let Some(host) = url.host_str() else {
            return Err(PictureError::Address("an address of a picture names a server"));
        };
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
        if self.settings.trusts(host) || literal.is_err() || literal.is_ok_and(address::is_public) {
            return Ok(());
        }
        Err(PictureError::Unreachable)
    }

    async fn read(&self, mut response: Response, most: usize) -> Result<String, PictureError> {
        if !response.status().is_success() {
            return Err(PictureError::Unreachable);
        }
        let too_large = || PictureError::TooLarge(self.settings.max_bytes);
        let most_u64 = u64::try_from(most).unwrap_or(u64::MAX);
        if response.content_length().is_some_and(|length| length > most_u64) {
            return Err(too_large());
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let is_picture = kind.to_ascii_lowercase().starts_with("image/");
        let mut bytes = Vec::new();
        while let Some(more) = response.chunk().await.map_err(|_| PictureError::Unreachable)? {
            if bytes.len() + more.len() > most {
                return Err(too_large());
            }
            bytes.extend_from_slice(&more);
        }
        let format = format(&bytes).filter(|_| is_picture).ok_or(PictureError::Format)?;
        Ok(format!("data:{format};base64,{}", STANDARD.encode(bytes)))
    }
}

/// The format of a picture by its first bytes.
fn format(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// Nothing is sent but what we say, nobody is asked to go in between, and no connection is kept.
fn client(settings: &ImageSettings) -> reqwest::Result<Client> {
    let resolver = Resolver { trusted: Arc::from(settings.trusted.clone()) };
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .dns_resolver(Arc::new(resolver))
        .pool_max_idle_per_host(0)
        .user_agent(concat!("anima/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Looks names up, and gives only addresses that anybody can reach. A name of which one address is
/// another one has none.
struct Resolver {
    /// Names whose addresses are not looked at.
    trusted: Arc<[String]>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let trusted = Arc::clone(&self.trusted);
        Box::pin(async move {
            let name = name.as_str();
            let found: Vec<SocketAddr> = lookup_host((name, 0)).await?.collect();
            let is_trusted = trusted.iter().any(|trusted| trusted.eq_ignore_ascii_case(name));
            if !is_trusted && !found.iter().all(|found| address::is_public(found.ip())) {
                return Err(
                    io::Error::other("the name stands for an address that is not public").into()
                );
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
