//! A server that speaks: any that has `OpenAI`'s `POST /v1/audio/speech` and makes WAV files.

use std::{path::Path, time::Duration};

use anima_remote::SecretSource;
use reqwest::{Client, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::{sync::Semaphore, time::timeout};

use super::wave::{NoWave, Wave};
use crate::settings::{SettingsError, SpeechSettings, reveal_secret};

/// Largest file that is taken.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// A server that speaks.
pub struct SpeechServer {
    client: Client,
    url: String,
    request: Value,
    key: Option<SecretString>,
    deadline: Duration,
    places: Semaphore,
}

/// Why a text was not spoken. Holds nothing of the text.
#[derive(Debug, Error)]
pub enum SpeechError {
    /// It took too long, or nobody had time.
    #[error("nothing was spoken within {} ms", .0.as_millis())]
    Late(Duration),
    /// The server could not be reached, or broke off.
    #[error("the speech server cannot be reached: {0}")]
    Unreachable(String),
    /// The server refused.
    #[error("the speech server answered with status {0}")]
    Refused(u16),
    /// The answer is too large.
    #[error("the speech server sent more than {} MiB", MOST_BYTES >> 20)]
    TooLarge,
    /// The answer is no sound.
    #[error("the speech server sent no WAV file; is its response_format wav?")]
    NoWave(#[from] NoWave),
}

impl SpeechServer {
    /// The server of these settings.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn new(settings: &SpeechSettings, home: &Path) -> Result<Self, SettingsError> {
        let secret = |source| {
            reveal_secret(source, home).map_err(|message| SettingsError::Value {
                key: "avatars.vtuber.speech.api_key".to_owned(),
                message,
            })
        };
        let key = match (&settings.api_key_env, &settings.api_key_file) {
            (Some(name), _) => Some(secret(SecretSource::Variable(name))?),
            (None, Some(path)) => Some(secret(SecretSource::File(path))?),
            (None, None) => None,
        };
        let deadline = Duration::from_millis(settings.deadline_ms);
        // Where it is comes from the configuration, and nowhere else does a request go.
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(deadline)
            .build()
            .map_err(|error| SettingsError::Value {
                key: "avatars.vtuber.speech".to_owned(),
                message: error.without_url().to_string(),
            })?;
        let mut request = json!({ "model": settings.model, "voice": settings.voice,
            "response_format": "wav" });
        for (name, value) in &settings.extra {
            request[name] = value.clone();
        }
        let url = format!("{}/audio/speech", settings.base_url.trim_end_matches('/'));
        let places = Semaphore::new(settings.max_concurrent);
        Ok(Self { client, url, request, key, deadline, places })
    }

    /// Speaks a text.
    ///
    /// # Errors
    /// When that fails or takes too long; the time that it waits for others counts.
    pub async fn speak(&self, text: &str) -> Result<Wave, SpeechError> {
        let spoken = async {
            let _place = self.places.acquire().await;
            self.ask(text).await
        };
        timeout(self.deadline, spoken).await.map_err(|_| SpeechError::Late(self.deadline))?
    }

    async fn ask(&self, text: &str) -> Result<Wave, SpeechError> {
        let unreachable =
            |error: reqwest::Error| SpeechError::Unreachable(error.without_url().to_string());
        let mut body = self.request.clone();
        body["input"] = json!(text);
        let mut request = self.client.post(&self.url).json(&body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.expose_secret());
        }
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        if !status.is_success() {
            return Err(SpeechError::Refused(status.as_u16()));
        }
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + piece.len() > MOST_BYTES {
                return Err(SpeechError::TooLarge);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(Wave::read(bytes)?)
    }
}
