//! Sessions, and to whom they belong.
//!
//! A session's id is only half of its name: the other half is its [`Tenant`], which clients neither
//! send nor see. Two tenants may use the same id and have two sessions; whatever finds a session
//! finds it by both halves, so that one tenant's do not exist for another.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};

use super::id::{InvalidId, is_valid, random};

/// What stands between the two halves; no id from outside has it.
const BETWEEN: char = '/';

/// Most characters of a tenant's name.
const MAX_CHARS: usize = 32;

/// Somebody who has sessions of its own.
///
/// The default tenant is everybody who has no other: callers without a key, and those whose key names
/// no tenant. Its sessions are stored as those of a service without tenants are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Tenant(Option<Arc<str>>);

impl Tenant {
    /// The tenant of this name; `default` is the default one.
    ///
    /// # Errors
    /// When the name is not 1 to 32 of the characters `a-z 0-9 _ -`.
    pub fn parse(name: &str) -> Result<Self, InvalidTenant> {
        let fits =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        match name {
            "default" => Ok(Self(None)),
            name if (1..=MAX_CHARS).contains(&name.len()) && name.bytes().all(fits) => {
                Ok(Self(Some(name.into())))
            }
            _ => Err(InvalidTenant),
        }
    }

    /// Its name; `None` for the default tenant.
    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The name of the tenant whose session this is, by the session's [`SessionId::key`]; `None` for the
    /// default tenant.
    pub fn name_in(key: &str) -> Option<&str> {
        key.rsplit_once(BETWEEN).map(|(tenant, _)| tenant)
    }

    /// Its session of this id.
    ///
    /// # Errors
    /// When the text can be no id.
    pub fn session(&self, id: impl Into<String>) -> Result<SessionId, InvalidId> {
        SessionId::parse(id).map(|session| session.of(self))
    }

    /// A session of its own that nobody has yet, by an id that is not to be guessed.
    pub fn new_session(&self) -> SessionId {
        SessionId::generate().of(self)
    }
}

/// A text that cannot be a tenant's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a tenant has 1 to 32 of the characters a-z 0-9 _ -")]
pub struct InvalidTenant;

/// One person's conversation with one digital human.
///
/// What is displayed and serialized is the id that its client knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// Takes an identifier from outside, as one of the default tenant.
    ///
    /// # Errors
    /// When the text is empty, longer than 64 characters, or has others than `A-Z a-z 0-9 _ - . :`.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        if is_valid(&text) { Ok(Self(text.into())) } else { Err(InvalidId) }
    }

    /// Makes a new one with 122 random bits, not to be guessed.
    pub fn generate() -> Self {
        Self(random().into())
    }

    /// The session of the same id that belongs to this tenant.
    #[must_use]
    pub fn of(self, tenant: &Tenant) -> Self {
        match tenant.name() {
            Some(tenant) => Self(format!("{tenant}{BETWEEN}{}", self.id()).into()),
            None => Self(self.id().into()),
        }
    }

    /// The session that is stored under a [`SessionId::key`].
    ///
    /// # Errors
    /// When the text is no key.
    pub fn stored(key: &str) -> Result<Self, InvalidId> {
        let Some((tenant, id)) = key.rsplit_once(BETWEEN) else { return Self::parse(key) };
        Ok(Self::parse(id)?.of(&Tenant::parse(tenant).map_err(|_| InvalidId)?))
    }

    /// What it is stored under and told apart by: its id, after its tenant's name where it has one.
    pub fn key(&self) -> &str {
        &self.0
    }

    /// The id that its client knows.
    pub fn id(&self) -> &str {
        self.0.rsplit_once(BETWEEN).map_or(&self.0, |(_, id)| id)
    }

    /// Whose it is.
    pub fn tenant(&self) -> Tenant {
        Tenant(self.0.rsplit_once(BETWEEN).map(|(tenant, _)| tenant.into()))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.id())
    }
}

impl TryFrom<String> for SessionId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(text)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_ids_are_valid_and_differ() {
        let (one, other) = (SessionId::generate(), SessionId::generate());
        assert_ne!(one, other);
        assert_eq!(SessionId::parse(one.id()), Ok(one));
    }

    #[test]
    fn the_same_id_of_two_tenants_is_two_sessions_that_look_alike() {
        let (museum, bank) = (Tenant::parse("museum").unwrap(), Tenant::parse("bank").unwrap());
        let sessions = [&museum, &bank, &Tenant::default()].map(|it| it.session("a:b").unwrap());
        assert_eq!(sessions.each_ref().map(SessionId::key), ["museum/a:b", "bank/a:b", "a:b"]);
        for session in &sessions {
            assert_eq!(session.to_string(), "a:b");
            assert_eq!(serde_json::to_string(session).unwrap(), "\"a:b\"");
            assert_eq!(SessionId::stored(session.key()).as_ref(), Ok(session));
            assert_eq!(Tenant::name_in(session.key()), session.tenant().name());
        }
        assert_eq!(Tenant::name_in("bank/a:b"), Some("bank"));
        assert_eq!(Tenant::name_in("a:b"), None);
        assert_eq!(sessions[0].clone().of(&bank), sessions[1]);
    }

    #[test]
    fn nobody_names_another_tenant_from_outside() {
        assert!(SessionId::parse("museum/a").is_err());
        assert!(serde_json::from_str::<SessionId>("\"museum/a\"").is_err());
        assert_eq!(Tenant::parse("default"), Ok(Tenant::default()));
        for bad in ["", "Museum", "a/b", "a b", "{a}", &"x".repeat(33)] {
            assert!(Tenant::parse(bad).is_err(), "{bad}");
        }
    }
}
