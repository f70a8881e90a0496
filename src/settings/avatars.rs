//! `[avatars]`: the software of avatars that the service works with.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    path::PathBuf,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::SettingsError;
use crate::turn::Emotion;

/// `[avatars]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AvatarSettings {
    /// The web client of Open-LLM-VTuber.
    #[serde(default)]
    pub vtuber: VtuberSettings,
    /// A server of `LiveTalking`; without one, no session has an avatar there.
    #[serde(default)]
    pub livetalking: Option<LivetalkingSettings>,
    /// A listener for avatars of Fay; without one there is none.
    #[serde(default)]
    pub fay: Option<FaySettings>,
}

/// `[avatars.fay]`
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaySettings {
    /// The address to bind; Fay's own has the port 10002.
    pub listen: SocketAddr,
}

/// `[avatars.vtuber]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VtuberSettings {
    /// Folder of what the client loads: `live2d-models`, `backgrounds`, `avatars`, and `frontend`, the
    /// client itself.
    #[serde(default)]
    pub files: Option<PathBuf>,
    /// The `Live2D` model of personas that have none of their own, as the client reads it.
    #[serde(default)]
    pub model: Option<Map<String, Value>>,
    /// The picture in the chat, among the files in `avatars`.
    #[serde(default)]
    pub avatar: Option<String>,
    /// What is different for a persona, by its name.
    #[serde(default)]
    pub personas: BTreeMap<String, CharacterSettings>,
    /// What the digital human is told when the client asks it to speak of itself; without it, it
    /// does not.
    #[serde(default)]
    pub proactive: Option<String>,
    /// A server that speaks; without one, sentences are silent.
    #[serde(default)]
    pub speech: Option<SpeechSettings>,
}

/// `[avatars.vtuber.personas.NAME]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CharacterSettings {
    /// Its `Live2D` model.
    #[serde(default)]
    pub model: Option<Map<String, Value>>,
    /// Its picture in the chat.
    #[serde(default)]
    pub avatar: Option<String>,
}

/// `[avatars.vtuber.speech]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechSettings {
    /// Where it is, up to `/audio/speech`.
    pub base_url: String,
    /// The model.
    pub model: String,
    /// The voice.
    pub voice: String,
    /// The variable that holds its key.
    #[serde(default)]
    pub api_key_env: Option<String>,
    /// The file that holds it.
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
    /// How long a sentence may take, in milliseconds, at least 1; then it is silent.
    #[serde(default = "default_deadline")]
    pub deadline_ms: u64,
    /// Most sentences at a time, at least 1.
    #[serde(default = "default_concurrent")]
    pub max_concurrent: usize,
    /// Put into every request.
    #[serde(default)]
    pub extra: Map<String, Value>,
}

/// `[avatars.livetalking]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LivetalkingSettings {
    /// Where the server is.
    pub url: String,
    /// How long a call of it may take, in milliseconds, at least 1.
    #[serde(default = "default_call")]
    pub deadline_ms: u64,
    /// How long an avatar may be out of reach before it is let go, in milliseconds, at least 1.
    #[serde(default = "default_gone")]
    pub gone_ms: u64,
    /// Most sessions that have an avatar, at least 1.
    #[serde(default = "default_sessions")]
    pub max_sessions: usize,
    /// What every sentence tells the server's speech, such as `ref_file`, the voice.
    #[serde(default)]
    pub tts: Map<String, Value>,
    /// What the server's speech calls an emotion, by our name for it; it is told no other.
    #[serde(default)]
    pub emotions: BTreeMap<String, String>,
}

fn default_call() -> u64 {
    3000
}

fn default_gone() -> u64 {
    300_000
}

fn default_sessions() -> usize {
    64
}

impl LivetalkingSettings {
    /// What the server's speech calls the emotions.
    ///
    /// # Errors
    /// When one of them is none.
    pub fn emotions(&self) -> Result<HashMap<Emotion, String>, SettingsError> {
        let named = |(name, theirs): (&String, &String)| {
            let emotion = serde_json::from_value(Value::String(name.clone())).map_err(|_| {
                let message = "is no emotion; there are neutral, joy, calm, sad, surprise, sorry, \
                    curious, proud, anger and fear";
                SettingsError::value(&format!("avatars.livetalking.emotions.{name}"), message)
            })?;
            Ok((emotion, theirs.clone()))
        };
        self.emotions.iter().map(named).collect()
    }

    fn validate(&self) -> Result<(), SettingsError> {
        check_address("avatars.livetalking.url", &self.url)?;
        if self.deadline_ms == 0 || self.gone_ms == 0 || self.max_sessions == 0 {
            let message = "deadline_ms, gone_ms and max_sessions are at least 1";
            return Err(SettingsError::value("avatars.livetalking", message));
        }
        self.emotions().map(drop)
    }
}

/// Holds that an address is one of a server on HTTP.
fn check_address(key: &str, address: &str) -> Result<(), SettingsError> {
    if ["http://", "https://"].iter().any(|scheme| address.starts_with(scheme)) {
        return Ok(());
    }
    Err(SettingsError::value(key, "begins with http:// or https://"))
}

fn default_deadline() -> u64 {
    8000
}

fn default_concurrent() -> usize {
    4
}

impl AvatarSettings {
    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        let personas = self.vtuber.personas.iter();
        let personas = personas.map(|(name, character)| {
            (format!("avatars.vtuber.personas.{name}.model"), character.model.as_ref())
        });
        let all = std::iter::once(("avatars.vtuber.model".to_owned(), self.vtuber.model.as_ref()));
        for (key, model) in all.chain(personas) {
            if model.is_some_and(|model| !model.get("url").is_some_and(Value::is_string)) {
                let message = "has a url, such as \"/live2d-models/NAME/NAME.model3.json\"";
                return Err(SettingsError::value(&key, message));
            }
        }
        if let Some(livetalking) = &self.livetalking {
            livetalking.validate()?;
        }
        let Some(speech) = &self.vtuber.speech else { return Ok(()) };
        check_address("avatars.vtuber.speech.base_url", &speech.base_url)?;
        if speech.deadline_ms == 0 || speech.max_concurrent == 0 {
            let message = "deadline_ms and max_concurrent are at least 1";
            return Err(SettingsError::value("avatars.vtuber.speech", message));
        }
        Ok(())
    }
}
