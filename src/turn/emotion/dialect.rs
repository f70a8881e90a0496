//! The tag dialects: what a text that begins with a bracket is.

use serde::Deserialize;

use super::{Action, Emotion, Marked, names};

/// Most characters between the brackets of a tag with a key, as in `[animation:wave]`.
const MAX_KEYED: usize = 48;
/// Most characters of a name in `<|EMOTE_…|>`.
const MAX_NAME: usize = 24;
/// Most bytes between the marks of an `ACT` tag.
const MAX_ACT: usize = 256;

/// What stands at the start of a text.
#[derive(Debug, PartialEq)]
pub(super) enum Reading {
    /// It can still become a tag.
    Partial,
    /// No tag begins here.
    Text,
    /// A tag of so many bytes.
    Tag { length: usize, marks: Vec<Marked> },
}

impl Reading {
    fn tag(length: usize, mark: Option<Marked>) -> Self {
        Self::Tag { length, marks: mark.into_iter().collect() }
    }
}

/// Reads the start of a text that goes on unless it is `at_end`; `before` is the character that
/// came before it.
pub(super) fn read(text: &str, before: Option<char>, at_end: bool) -> Reading {
    let reading =
        if text.starts_with('<') { read_marked(text) } else { read_bracketed(text, before) };
    match reading {
        Reading::Partial if at_end => Reading::Text,
        // A link's text looks like a tag until the character behind it is known.
        Reading::Tag { length, .. } if text.starts_with('[') && text.len() == length && !at_end => {
            Reading::Partial
        }
        Reading::Tag { length, .. } if text.starts_with('[') && text[length..].starts_with('(') => {
            Reading::Text
        }
        reading => reading,
    }
}

fn read_bracketed(text: &str, before: Option<char>) -> Reading {
    let (Some(open), Some(close)) = (text.chars().next(), text.chars().next().and_then(closing))
    else {
        return Reading::Text;
    };
    let inner = &text[open.len_utf8()..];
    let (content, closed) = match inner.find(close) {
        Some(end) => (&inner[..end], true),
        None => (inner, false),
    };
    let length = open.len_utf8() + content.len() + close.len_utf8();
    let square = matches!(open, '[' | '【');
    if square && let Some(reading) = read_keyed(content, closed, length) {
        return reading;
    }
    if before.is_some_and(|before| before.is_ascii_alphanumeric() || before == '_') {
        return Reading::Text;
    }
    // One blank on either side of a name is as much as models write.
    let name = content.strip_prefix(' ').unwrap_or(content);
    let name = name.strip_suffix(' ').unwrap_or(name).to_lowercase();
    match (Emotion::from_name(&name), closed) {
        _ if name.starts_with(' ') || name.ends_with(' ') => Reading::Text,
        (_, false) if names::begins(&name) => Reading::Partial,
        (Some(Emotion::Neutral), true) if !square => Reading::Text,
        (Some(emotion), true) => Reading::tag(length, Some(Marked::Emotion(emotion))),
        _ => Reading::Text,
    }
}

fn closing(open: char) -> Option<char> {
    match open {
        '[' => Some(']'),
        '【' => Some('】'),
        '(' => Some(')'),
        '（' => Some('）'),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy)]
enum Key {
    Emotion,
    Action,
    Pause,
    Language,
}

const KEYS: [(&str, Key); 12] = [
    ("face", Key::Emotion),
    ("emotion", Key::Emotion),
    ("expression", Key::Emotion),
    ("表情", Key::Emotion),
    ("情绪", Key::Emotion),
    ("情感", Key::Emotion),
    ("animation", Key::Action),
    ("action", Key::Action),
    ("motion", Key::Action),
    ("动作", Key::Action),
    ("pause", Key::Pause),
    ("language", Key::Language),
];

/// Reads `key:value`; `None` when no key stands there.
fn read_keyed(content: &str, closed: bool, length: usize) -> Option<Reading> {
    let Some(colon) = content.find([':', '：']) else {
        let start = content.to_lowercase();
        let partial = !closed && KEYS.iter().any(|(key, _)| key.starts_with(&start));
        return partial.then_some(Reading::Partial);
    };
    let name = content[..colon].to_lowercase();
    let (_, key) = KEYS.iter().find(|(key, _)| *key == name)?;
    let value = content[colon..].trim_start_matches([':', '：']).trim();
    let sound = match key {
        Key::Pause => value.chars().all(|c| c.is_ascii_digit() || c == '.'),
        Key::Language => value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')),
        Key::Emotion | Key::Action => {
            value.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ' | '.'))
        }
    };
    if !sound || content[colon..].contains('\n') || content.chars().count() > MAX_KEYED {
        return Some(Reading::Text);
    }
    if !closed {
        return Some(Reading::Partial);
    }
    Some(match key {
        _ if value.is_empty() => Reading::Text,
        Key::Emotion => Reading::tag(length, Some(named(value))),
        Key::Action => Reading::tag(length, Some(Marked::Action(Action(value.to_owned())))),
        Key::Pause | Key::Language => Reading::tag(length, None),
    })
}

/// Reads `<|…|>`.
fn read_marked(text: &str) -> Reading {
    const OPEN: &str = "<|";
    const CLOSE: &str = "|>";
    let Some(inner) = text.strip_prefix(OPEN) else {
        return if OPEN.starts_with(text) { Reading::Partial } else { Reading::Text };
    };
    let (content, closed) = match inner.find(CLOSE) {
        Some(end) => (&inner[..end], true),
        // The last character of an open tag may be the first half of its end.
        None => (inner.strip_suffix('|').unwrap_or(inner), false),
    };
    let (sound, marks) = if let Some(name) = content.strip_prefix("EMOTE_") {
        let sound = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (sound && name.len() <= MAX_NAME, vec![named(name)])
    } else if let Some(number) = content.strip_prefix("DELAY") {
        let sound = number.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | ':' | '.'));
        (sound && number.len() <= MAX_NAME, Vec::new())
    } else if let Some(act) = content.strip_prefix("ACT") {
        let sound = act.chars().next().is_none_or(|c| matches!(c, ' ' | ':' | '{'));
        (sound && act.len() <= MAX_ACT, if closed { read_act(act) } else { Vec::new() })
    } else {
        let begun = ["EMOTE_", "DELAY", "ACT"].iter().any(|start| start.starts_with(content));
        (begun && !closed, Vec::new())
    };
    match (sound, closed) {
        (false, _) => Reading::Text,
        (true, false) => Reading::Partial,
        (true, true) => Reading::Tag { length: OPEN.len() + content.len() + CLOSE.len(), marks },
    }
}

#[derive(Deserialize)]
struct Act {
    emotion: Option<ActEmotion>,
    motion: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ActEmotion {
    Name(String),
    Full { name: String },
}

/// What an `ACT` tag asks for; nothing when its JSON makes no sense.
fn read_act(content: &str) -> Vec<Marked> {
    let json = content.trim_start_matches([' ', ':']);
    let Ok(act) = serde_json::from_str::<Act>(json) else {
        return Vec::new();
    };
    let emotion = act.emotion.map(|emotion| match emotion {
        ActEmotion::Name(name) | ActEmotion::Full { name } => named(&name),
    });
    let motion = act.motion.filter(|motion| !motion.trim().is_empty());
    emotion.into_iter().chain(motion.map(|motion| Marked::Action(Action(motion)))).collect()
}

/// The emotion of a name in a tag that can be nothing else.
fn named(name: &str) -> Marked {
    Marked::Emotion(Emotion::from_name(name).unwrap_or_default())
}
