//! Where secrets come from, and how they are kept out of what others read.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use crate::SetupError;

/// Where a secret is found. This crate reads neither variables nor files: whoever makes a provider
/// does, by a [`Reveal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretSource<'a> {
    /// In the variable of this name.
    Variable(&'a str),
    /// In this file, white space around it aside.
    File(&'a Path),
}

/// Fetches a secret, or says in words that hold no secret why it cannot.
pub type Reveal<'a> = &'a dyn Fn(SecretSource<'_>) -> Result<SecretString, String>;

/// The value of a header: any of them may be a secret, so all are treated as one.
#[derive(Clone)]
pub enum HeaderSource {
    /// The value as written.
    Written(SecretString),
    /// In a variable.
    Variable(String),
    /// In a file.
    File(PathBuf),
}

impl fmt::Debug for HeaderSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(_) => formatter.write_str("Written"),
            Self::Variable(name) => formatter.debug_tuple("Variable").field(name).finish(),
            Self::File(path) => formatter.debug_tuple("File").field(path).finish(),
        }
    }
}

impl<'de> Deserialize<'de> for HeaderSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand: what serde says of a wrong value repeats the value.
        let named = |table: &Value, key: &str| table[key].as_str().map(str::to_owned);
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self::Written(text.into())),
            table if named(&table, "env").is_some() => {
                Ok(Self::Variable(named(&table, "env").unwrap_or_default()))
            }
            table if named(&table, "file").is_some() => {
                Ok(Self::File(named(&table, "file").unwrap_or_default().into()))
            }
            _ => Err(D::Error::custom(
                "the value of a header is a text, { env = \"VARIABLE\" } or { file = \"PATH\" }",
            )),
        }
    }
}

impl HeaderSource {
    /// Fetches the value of the header `name`.
    pub(crate) fn reveal(
        &self,
        name: &str,
        reveal: Reveal<'_>,
    ) -> Result<SecretString, SetupError> {
        match self {
            Self::Written(value) => Ok(value.clone()),
            Self::Variable(variable) => reveal(SecretSource::Variable(variable)),
            Self::File(path) => reveal(SecretSource::File(path)),
        }
        .map_err(|message| SetupError::new(format!("headers.{name}"), message))
    }
}

/// A header's value that libraries do not show.
pub(crate) fn hidden(key: &str, value: &str) -> Result<HeaderValue, SetupError> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| SetupError::new(key, "its value cannot stand in a header of HTTP"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Blots known secrets out of what servers say.
#[derive(Clone, Default)]
pub(crate) struct Blotter(Vec<SecretString>);

impl Blotter {
    /// Shorter texts are no secrets, and blotting them out would leave nothing to read.
    const SHORTEST: usize = 6;

    pub(crate) fn add(&mut self, secret: &SecretString) {
        if secret.expose_secret().len() >= Self::SHORTEST {
            self.0.push(secret.clone());
        }
    }

    /// `text` with stars in the place of secrets, at most `longest` characters of it.
    pub(crate) fn blot(&self, text: &str, longest: usize) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            text = text.replace(secret.expose_secret(), "***");
        }
        for scheme in ["Bearer ", "Basic "] {
            text = without_credentials(&text, scheme);
        }
        // A secret may be cut off by the end, so the length comes second.
        text.chars().take(longest).collect()
    }
}

/// `text` with stars after every mention of a scheme of authentication: tokens change, and names and
/// passwords are encoded, so they cannot be looked for.
fn without_credentials(text: &str, scheme: &str) -> String {
    let mut parts = text.split(scheme);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|letter: char| letter.is_whitespace() || letter == '"');
        clean.extend([scheme, "***", &part[end.unwrap_or(part.len())..]]);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blotted_out_before_the_text_is_cut() {
        let mut blotter = Blotter::default();
        blotter.add(&"sk-123456".to_owned().into());
        blotter.add(&"abc".to_owned().into());
        assert_eq!(blotter.blot("key sk-123456 of abc", 300), "key *** of abc");
        assert_eq!(blotter.blot("key sk-123456", 7), "key ***");
        assert_eq!(blotter.blot("\"Bearer ey.x.y\", Basic z", 300), "\"Bearer ***\", Basic ***");
    }

    #[test]
    fn a_wrong_header_is_not_repeated() {
        let wrong = serde_json::from_str::<HeaderSource>(r#"["sk-123456"]"#).unwrap_err();
        assert!(!wrong.to_string().contains("sk-1"), "{wrong}");
        let written = serde_json::from_str::<HeaderSource>(r#""sk-123456""#).unwrap();
        assert_eq!(format!("{written:?}"), "Written");
    }
}
