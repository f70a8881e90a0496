//! The frames of Fay's socket.
//!
//! What goes out: `{"Topic":"human","Data":{"Key":…},"Username":…}`, with the keys `question`, `log`, `text`
//! and `audio`. What comes in: `{"Username","Output"}` at any time, and, which is ours, `Data` with the
//! keys `question` and `interrupt`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::user::User;
use crate::turn::{Emotion, Sentence, TurnId};

/// What a client sends.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Message {
    #[serde(rename = "Username")]
    pub(super) username: Option<String>,
    #[serde(rename = "Output", default)]
    output: Value,
    #[serde(rename = "Data")]
    pub(super) data: Option<Asked>,
}

/// What a client asks for.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(rename = "Key")]
    pub(super) key: String,
    #[serde(rename = "Value")]
    pub(super) value: Option<String>,
}

impl Message {
    /// Whether the client wants sounds, where it says so: as a truth value, a number, or a text.
    pub(super) fn wants_sound(&self) -> Option<bool> {
        match &self.output {
            Value::Bool(wanted) => Some(*wanted),
            Value::String(wanted) => Some(wanted.eq_ignore_ascii_case("true")),
            Value::Number(wanted) => Some(wanted.as_f64() != Some(0.0)),
            _ => None,
        }
    }
}

/// A frame for the clients of a person.
fn human(user: &User, data: &Value) -> Value {
    json!({ "Topic": "human", "Data": data, "Username": user.name() })
}

/// What the person said.
pub(super) fn question(user: &User, said: &str) -> Value {
    human(user, &json!({ "Key": "question", "Value": said }))
}

/// A line that tells how things stand.
pub(super) fn log(user: &User, line: &str) -> Value {
    human(user, &json!({ "Key": "log", "Value": line }))
}

/// A sentence to show.
pub(super) fn text(user: &User, sentence: &Sentence, is_first: bool) -> Value {
    let data = json!({ "Key": "text", "Value": sentence.text, "IsFirst": u8::from(is_first),
        "IsEnd": 0 });
    human(user, &data)
}

/// Nothing more is shown of the answer. It may be its first frame.
pub(super) fn text_end(user: &User, is_first: bool) -> Value {
    let data = json!({ "Key": "text", "Value": "", "IsFirst": u8::from(is_first), "IsEnd": 1 });
    human(user, &data)
}

/// A sentence to play: a sound of this length, which is found at `base`.
pub(super) fn audio(
    user: &User,
    turn: &TurnId,
    sentence: &Sentence,
    (base, length): (&str, Duration),
) -> Value {
    let mut data = json!({
        "Key": "audio",
        // Fay's is a file of the same machine, and there is none.
        "Value": "",
        "HttpValue": format!("{base}/audio/{}.wav", length.as_millis()),
        "Text": sentence.speech,
        "Time": length.as_secs_f64(),
        "Type": "stream",
        "IsFirst": u8::from(sentence.index == 0),
        "IsEnd": 0,
        "CONV_ID": format!("conv_{turn}"),
        "CONV_MSG_NO": sentence.index,
        "Sentiment": sentiment(sentence.emotion),
        "Lips": [],
    });
    if let Some(action) = sentence.actions.first() {
        data["Action"] = json!({
            "code": action.0,
            "behavior": action.0,
            "affect": sentence.emotion,
            "intensity": 0.5,
            "priority": 50,
            "matchedKeywords": [],
            "sentimentHint": sentiment(sentence.emotion),
        });
    }
    human(user, &data)
}

/// Nothing more is played of the answer, of which this is part `number`.
pub(super) fn audio_end(user: &User, turn: &TurnId, number: u32) -> Value {
    let data = json!({ "Key": "audio", "Value": "", "HttpValue": "", "Text": "", "Time": 0,
        "Type": "stream", "IsFirst": u8::from(number == 0), "IsEnd": 1,
        "CONV_ID": format!("conv_{turn}"), "CONV_MSG_NO": number });
    human(user, &data)
}

/// How glad an emotion is, on Fay's scale from -2 to 2.
fn sentiment(emotion: Emotion) -> i8 {
    match emotion {
        Emotion::Joy => 2,
        Emotion::Proud | Emotion::Calm | Emotion::Surprise => 1,
        Emotion::Neutral | Emotion::Curious => 0,
        Emotion::Sorry | Emotion::Fear => -1,
        Emotion::Sad | Emotion::Anger => -2,
    }
}
