//! `[history]`: where conversations are kept, and what happens when that cannot be reached.

use std::{fmt, path::PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use super::SettingsError;

/// The schemes of an address of Redis.
const SCHEMES: [&str; 4] = ["redis://", "rediss://", "redis+unix://", "unix://"];

/// Most characters of [`RedisSettings::prefix`].
const PREFIX_CHARS: usize = 64;

/// `[history]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistorySettings {
    /// What conversations are kept in.
    pub store: StoreKind,
    /// What becomes of turns that the store cannot keep.
    pub when_unavailable: WhenUnavailable,
    /// Folder of the embedded store.
    pub data: PathBuf,
    /// Days until an unused session is forgotten.
    pub ttl_days: u32,
    /// Exchanges kept in a session.
    pub max_exchanges: u64,
    /// The store `redis`.
    pub redis: RedisSettings,
}

/// What conversations are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// A file that belongs to this process.
    Embedded,
    /// A Redis that several processes may share.
    Redis,
}

/// What becomes of turns that the store cannot keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnavailable {
    /// They are refused, and can be sent again.
    #[default]
    Refuse,
    /// They are answered from what is in memory, are told not to be durable, and are not kept.
    Continue,
}

/// `[history.redis]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisSettings {
    /// Where it is.
    pub url: RedisUrl,
    /// The user, where it is not in the address.
    #[serde(default)]
    pub username: Option<String>,
    /// The variable that holds the password, where that is not in the address.
    #[serde(default)]
    pub password_env: Option<String>,
    /// What that variable holds.
    #[serde(skip)]
    pub password: Option<SecretString>,
    /// What every key begins with.
    pub prefix: String,
    /// How long a call may take, in milliseconds.
    pub deadline_ms: u64,
    /// How long a turn is left to the process that answers it without a sign of life, in
    /// milliseconds.
    pub lease_ms: u64,
}

/// An address with a password in it, maybe; it is shown without.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct RedisUrl(SecretString);

impl RedisUrl {
    /// The address itself.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }

    /// The address without user, password and parameters.
    fn shown(&self) -> String {
        let url = self.0.expose_secret();
        let Some((scheme, rest)) = url.split_once("://") else { return "***".to_owned() };
        // A password may hold a `?`, so what stands before the last `@` is taken off first.
        let (hidden, place) = match rest.rsplit_once('@') {
            Some((_, place)) => ("***@", place),
            None => ("", rest),
        };
        match place.split_once('?') {
            Some((place, _)) => format!("{scheme}://{hidden}{place}?***"),
            None => format!("{scheme}://{hidden}{place}"),
        }
    }
}

impl From<&str> for RedisUrl {
    fn from(url: &str) -> Self {
        Self(url.into())
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown())
    }
}

impl Serialize for RedisUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}

impl HistorySettings {
    /// Takes secrets from the variables that are named for them.
    pub(super) fn read_secrets(&mut self, variable: impl Fn(&str) -> Option<String>) {
        let named = self.redis.password_env.as_deref();
        self.redis.password = named.and_then(variable).map(SecretString::from);
    }

    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        if self.ttl_days == 0 {
            return Err(SettingsError::value("history.ttl_days", "must be at least 1"));
        }
        match self.store {
            StoreKind::Embedded => Ok(()),
            StoreKind::Redis => self.redis.validate(),
        }
    }
}

impl RedisSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        let url = self.url.0.expose_secret();
        if url.is_empty() {
            let message = "is empty, and history.store is \"redis\"; set it, for example by the \
                           variable ANIMA__HISTORY__REDIS__URL=redis://host:6379";
            return Err(SettingsError::value("history.redis.url", message));
        }
        if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
            let message = "begins with redis://, rediss:// (TLS) or redis+unix://";
            return Err(SettingsError::value("history.redis.url", message));
        }
        if let (Some(name), None) = (&self.password_env, &self.password) {
            let message = format!("there is no variable {name}");
            return Err(SettingsError::value("history.redis.password_env", message));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
        if !(1..=PREFIX_CHARS).contains(&self.prefix.len()) || !self.prefix.bytes().all(plain) {
            let message = "has 1 to 64 of the characters A-Z a-z 0-9 _ - . :";
            return Err(SettingsError::value("history.redis.prefix", message));
        }
        for (key, value, range) in [
            ("history.redis.deadline_ms", self.deadline_ms, 50..=900),
            ("history.redis.lease_ms", self.lease_ms, 1000..=120_000),
        ] {
            if !range.contains(&value) {
                let message = format!("must be {} to {}", range.start(), range.end());
                return Err(SettingsError::value(key, message));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(change: impl FnOnce(&mut RedisSettings)) -> HistorySettings {
        let mut redis = RedisSettings {
            url: "redis://127.0.0.1".into(),
            username: None,
            password_env: None,
            password: None,
            prefix: "anima".to_owned(),
            deadline_ms: 600,
            lease_ms: 10_000,
        };
        change(&mut redis);
        HistorySettings {
            store: StoreKind::Redis,
            when_unavailable: WhenUnavailable::Refuse,
            data: "data".into(),
            ttl_days: 7,
            max_exchanges: 1000,
            redis,
        }
    }

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        for (url, shown) in [
            ("redis://127.0.0.1:6379/2", "redis://127.0.0.1:6379/2"),
            ("rediss://user:s3cret@host:6380", "rediss://***@host:6380"),
            ("redis://:s3c@ret@host", "redis://***@host"),
            ("redis://:s3cret?x@host?protocol=3", "redis://***@host?***"),
            ("redis+unix:///run/redis?pass=s3cret", "redis+unix:///run/redis?***"),
            ("s3cret", "***"),
        ] {
            let settings = settings(|redis| redis.url = url.into());
            let shown_all = [
                format!("{settings:?}"),
                toml::to_string(&settings).unwrap(),
                serde_json::to_string(&settings).unwrap(),
            ];
            for text in shown_all {
                assert!(text.contains(shown) && !text.contains("s3c"), "{text}");
            }
        }
    }

    #[test]
    fn errors_name_the_key_and_no_secret() {
        type Change = fn(&mut RedisSettings);
        let cases: [(&str, Change); 6] = [
            ("history.redis.url", |redis| redis.url = "".into()),
            ("history.redis.url", |redis| redis.url = "http://:s3cret@host".into()),
            ("history.redis.password_env", |redis| redis.password_env = Some("NO_SUCH".into())),
            ("history.redis.prefix", |redis| redis.prefix = "{a}".to_owned()),
            ("history.redis.deadline_ms", |redis| redis.deadline_ms = 5000),
            ("history.redis.lease_ms", |redis| redis.lease_ms = 10),
        ];
        for (key, change) in cases {
            let message = settings(change).validate().unwrap_err().to_string();
            assert!(message.starts_with(key) && !message.contains("s3cret"), "{message}");
            let unused = HistorySettings { store: StoreKind::Embedded, ..settings(change) };
            assert!(unused.validate().is_ok());
        }
    }

    #[test]
    fn a_password_is_read_from_the_variable_that_is_named() {
        let mut settings = settings(|redis| redis.password_env = Some("WORD".to_owned()));
        settings.read_secrets(|name| (name == "WORD").then(|| "s3cret".to_owned()));
        let password = settings.redis.password.as_ref().unwrap();
        assert_eq!(password.expose_secret(), "s3cret");
        assert!(settings.validate().is_ok());
        assert!(!format!("{settings:?}").contains("s3cret"));
    }
}
