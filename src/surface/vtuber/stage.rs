//! What clients are shown, as the configuration has it.

use std::{path::PathBuf, sync::Arc};

use serde_json::{Map, Value, json};

use crate::{
    avatars::speech::SpeechServer,
    settings::{Settings, SettingsError, VtuberSettings},
    turn::{Action, Emotion},
};

/// What clients are shown.
#[derive(Default)]
pub struct Stage {
    settings: VtuberSettings,
    /// The folder of what they load.
    files: Option<PathBuf>,
    /// Who speaks; without it, sentences are silent.
    pub(super) speech: Option<Arc<SpeechServer>>,
}

impl Stage {
    /// What the settings say.
    ///
    /// # Errors
    /// When the speech server of the settings cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let vtuber = settings.avatars.vtuber.clone();
        let speech = vtuber.speech.as_ref();
        let speech = speech.map(|speech| SpeechServer::new(speech, &settings.home)).transpose()?;
        let files = vtuber.files.as_ref().map(|files| settings.resolve(files));
        Ok(Self { settings: vtuber, files, speech: speech.map(Arc::new) })
    }

    /// One of the folders of what clients load.
    pub(in crate::surface) fn folder(&self, name: &str) -> Option<PathBuf> {
        self.files.as_ref().map(|files| files.join(name))
    }

    /// What the digital human is told when it is to speak of itself.
    pub(super) fn proactive(&self) -> Option<&str> {
        self.settings.proactive.as_deref()
    }

    /// The picture of a persona in the chat.
    pub(super) fn avatar(&self, persona: &str) -> &str {
        let own = self.settings.personas.get(persona).and_then(|own| own.avatar.as_deref());
        own.or(self.settings.avatar.as_deref()).unwrap_or_default()
    }

    /// The `Live2D` model of a persona, as the client reads it; `null` where there is none.
    pub(super) fn model(&self, persona: &str) -> Value {
        self.model_of(persona).map_or(Value::Null, |model| json!(model))
    }

    /// The expressions of a persona's model that show an emotion and these actions.
    pub(super) fn expressions(
        &self,
        persona: &str,
        emotion: Emotion,
        actions: &[Action],
    ) -> Vec<Value> {
        let map = self.model_of(persona).and_then(|model| model.get("emotionMap")?.as_object());
        let Some(map) = map else { return Vec::new() };
        let find = |wanted: &str| {
            let mut known = map.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            known.next().map(|(_, expression)| expression.clone())
        };
        let face = names(emotion).iter().find_map(|name| find(name));
        face.into_iter().chain(actions.iter().filter_map(|action| find(&action.0))).collect()
    }

    fn model_of(&self, persona: &str) -> Option<&Map<String, Value>> {
        let own = self.settings.personas.get(persona).and_then(|own| own.model.as_ref());
        own.or(self.settings.model.as_ref())
    }
}

/// What an emotion may be called in a model's `emotionMap`, the best name first: those models know
/// neutral, anger, disgust, fear, joy, smirk, sadness and surprise.
fn names(emotion: Emotion) -> &'static [&'static str] {
    match emotion {
        Emotion::Neutral => &["neutral"],
        Emotion::Joy => &["joy", "happy", "happiness"],
        Emotion::Calm => &["calm", "neutral"],
        Emotion::Sad => &["sadness", "sad"],
        Emotion::Surprise => &["surprise", "surprised"],
        Emotion::Sorry => &["sorry", "sadness", "sad"],
        Emotion::Curious => &["curious", "surprise", "neutral"],
        Emotion::Proud => &["proud", "smirk", "joy"],
        Emotion::Anger => &["anger", "angry"],
        Emotion::Fear => &["fear", "scared"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emotion_becomes_the_nearest_expression_that_the_model_has() {
        let model = json!({ "url": "/m", "emotionMap": { "Neutral": 0, "joy": 3, "smirk": "grin",
            "sadness": 1, "wave": 7 } });
        let settings =
            VtuberSettings { model: model.as_object().cloned(), ..VtuberSettings::default() };
        let stage = Stage { settings, ..Stage::default() };
        let shown = |emotion, actions: &[&str]| {
            let actions: Vec<_> = actions.iter().map(|name| Action((*name).to_owned())).collect();
            Value::from(stage.expressions("lingxi", emotion, &actions))
        };
        assert_eq!(shown(Emotion::Neutral, &[]), json!([0]));
        assert_eq!(shown(Emotion::Calm, &[]), json!([0]));
        assert_eq!(shown(Emotion::Sorry, &["wave", "dance"]), json!([1, 7]));
        assert_eq!(shown(Emotion::Proud, &[]), json!(["grin"]));
        assert_eq!(shown(Emotion::Fear, &[]), json!([]));
        assert_eq!(Stage::default().expressions("lingxi", Emotion::Joy, &[]), Vec::<Value>::new());
    }
}
