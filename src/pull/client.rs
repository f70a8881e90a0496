//! Asks one hub for one model: who asks, what an answer means, and when to ask again.

use std::{error::Error, time::Duration};

use reqwest::{
    Response, Url,
    header::{ACCEPT_ENCODING, AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, RANGE},
    redirect::Policy,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::sleep;

use super::{
    Hub, PullError,
    model::Model,
    path::FilePath,
    retry::{self, Fault},
    screen::Screen,
};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(15);
/// Most hops until a file is reached.
const MOST_HOPS: usize = 10;

/// How patiently a hub is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Most attempts in a row that bring nothing, after the first.
    pub(super) retries: u32,
    /// How long nothing may come.
    pub(super) silence: Duration,
}

/// One model on one hub.
pub(super) struct Client {
    http: reqwest::Client,
    pub(super) model: Model,
    pub(super) endpoint: Url,
    credentials: HeaderMap,
    retries: u32,
}

impl Client {
    pub(super) fn new(
        model: Model,
        endpoint: Url,
        token: Option<&SecretString>,
        patience: Patience,
    ) -> Result<Self, PullError> {
        // Unlike a provider this is a person's download, so the proxies of the environment count.
        let http = reqwest::Client::builder()
            .user_agent(concat!("anima/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(patience.silence)
            .redirect(redirects())
            .referer(false)
            .build()
            .map_err(|error| PullError::Client(error.into()))?;
        let credentials = credentials(model.hub, token)?;
        Ok(Self { http, model, endpoint, credentials, retries: patience.retries })
    }

    /// Where the files are listed.
    pub(super) fn listing(&self) -> Url {
        self.model.hub.listing(&self.endpoint, &self.model)
    }

    /// Where a file is.
    pub(super) fn file(&self, path: &FilePath) -> Url {
        self.model.hub.file(&self.endpoint, &self.model, path.as_str())
    }

    /// The hub as people write it.
    pub(super) fn address(&self) -> String {
        self.endpoint.as_str().trim_end_matches('/').to_owned()
    }

    /// Asks for `what` at `url`, from byte `from` on. The answer is a success, or says that there
    /// is nothing from there on (416).
    pub(super) async fn get(&self, url: Url, from: u64, what: &str) -> Result<Response, Fault> {
        let mut request = self
            .http
            .get(url)
            // What comes is counted and added up, so it must be the file itself.
            .header(ACCEPT_ENCODING, "identity")
            // On the way to another host the client leaves these out.
            .headers(self.credentials.clone());
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = response.status().as_u16();
        match status {
            200..=299 => return Ok(response),
            416 if from > 0 => return Ok(response),
            _ => {}
        }
        let (endpoint, page) = (self.address(), self.page());
        let what = what.to_owned();
        let own = response.url().origin() == self.endpoint.origin();
        Err(match status {
            // The address of a storage beside the hub is good for a while only; the hub makes a new one.
            401 | 403 if !own => Fault::passing(PullError::Status { endpoint, what, status }),
            401 | 403 => Fault::Lasting(PullError::Refused {
                endpoint,
                model: self.model.id(),
                page,
                variable: self.model.hub.token_variable(),
                status,
            }),
            404 | 410 => Fault::Lasting(PullError::NotFound { endpoint, what, page }),
            408 | 425 | 429 | 500 | 502..=504 => {
                let pause = retry::wanted(response.headers());
                Fault::Passing { error: PullError::Status { endpoint, what, status }, pause }
            }
            _ => Fault::Lasting(PullError::Status { endpoint, what, status }),
        })
    }

    /// Attempts something until it succeeds, fails for good, or has brought nothing too often.
    pub(super) async fn patiently<T>(
        &self,
        screen: &Screen,
        mut attempt: impl AsyncFnMut() -> Result<T, Fault>,
    ) -> Result<T, PullError> {
        let mut failures = 0;
        loop {
            let (error, wanted) = match attempt().await {
                Ok(outcome) => return Ok(outcome),
                Err(Fault::Lasting(error)) => return Err(error),
                Err(Fault::Advanced(error)) => {
                    failures = 0;
                    (error, None)
                }
                Err(Fault::NoConnection(error)) => (error, None),
                Err(Fault::Passing { error, pause }) => (error, pause),
            };
            if failures == self.retries {
                return Err(error);
            }
            failures += 1;
            let pause = retry::pause(failures, wanted);
            if pause > retry::LONGEST {
                return Err(PullError::LongPause {
                    endpoint: self.address(),
                    seconds: pause.as_secs(),
                });
            }
            screen.note(&format!(
                "{}; attempt {failures} of {} in {} s",
                whole(&error),
                self.retries,
                pause.as_secs()
            ));
            sleep(pause).await;
        }
    }

    /// What follows from an error of the connection.
    fn unreachable(&self, error: reqwest::Error) -> Fault {
        let fault = if error.is_redirect() || error.is_builder() {
            Fault::Lasting
        } else if error.is_connect() {
            Fault::NoConnection
        } else {
            Fault::passing
        };
        fault(PullError::Unreachable {
            endpoint: self.address(),
            variable: self.model.hub.endpoint_variable(),
            // The address may hold a signature.
            source: error.without_url().into(),
        })
    }

    fn page(&self) -> String {
        self.model.hub.page(&self.endpoint, &self.model).into()
    }
}

/// Follows a file to the storage that holds it, but never out of an encrypted connection.
fn redirects() -> Policy {
    Policy::custom(|attempt| {
        let encrypted = attempt.previous().iter().any(|url| url.scheme() == "https");
        if attempt.previous().len() > MOST_HOPS {
            attempt.error("too many redirects")
        } else if encrypted && attempt.url().scheme() != "https" {
            attempt.error("a redirect leads out of the encrypted connection")
        } else {
            attempt.follow()
        }
    })
}

/// The headers that say who asks.
fn credentials(hub: Hub, token: Option<&SecretString>) -> Result<HeaderMap, PullError> {
    let mut headers = HeaderMap::new();
    let Some(token) = token.map(|token| token.expose_secret().trim()) else { return Ok(headers) };
    if token.is_empty() {
        return Ok(headers);
    }
    let mut add = |name: HeaderName, value: String| {
        let mut value = HeaderValue::try_from(value).map_err(|_| {
            PullError::Request(format!(
                "{} holds characters that are in no token",
                hub.token_variable()
            ))
        })?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(())
    };
    add(AUTHORIZATION, format!("Bearer {token}"))?;
    if hub == Hub::ModelScope {
        // Its older interface, which has the files, knows people by this.
        add(COOKIE, format!("m_session_id={token}"))?;
    }
    Ok(headers)
}

/// An error with what caused it, in one line.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
