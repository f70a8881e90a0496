//! What things are called in Redis.

use crate::turn::{SessionId, Tenant};

/// The version of what the keys hold; another one would have other keys.
const SCHEMA: &str = "v1";

/// Makes the names of keys.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    /// Keys that begin with `prefix`.
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: format!("{prefix}:{SCHEMA}") }
    }

    /// The keys of a session, as its scripts take them. The braces put all of them into one slot; no
    /// id contains any.
    pub(super) fn session(&self, session: &SessionId) -> [String; 4] {
        ["meta", "exchanges", "turns", "former"]
            .map(|part| format!("{}:{{{}}}:{part}", self.prefix, session.key()))
    }

    /// What is known of a session.
    pub(super) fn meta(&self, session: &SessionId) -> String {
        let [meta, ..] = self.session(session);
        meta
    }

    /// A pattern that every [`Keys::meta`] has.
    pub(super) fn any_meta(&self) -> String {
        format!("{}:{{*}}:meta", self.prefix)
    }

    /// The [`SessionId::key`] of the session that a [`Keys::meta`] belongs to.
    pub(super) fn session_of<'key>(&self, meta: &'key str) -> Option<&'key str> {
        meta.strip_prefix(&self.prefix)?.strip_prefix(":{")?.strip_suffix("}:meta")
    }

    /// The sessions of a tenant by last use.
    pub(super) fn index(&self, tenant: &Tenant) -> String {
        match tenant.name() {
            Some(tenant) => format!("{}:sessions:{tenant}", self.prefix),
            None => format!("{}:sessions", self.prefix),
        }
    }

    /// What was used under a name in a day.
    pub(super) fn usage(&self, day: i64, name: &str) -> String {
        format!("{}:usage:{name}:{day}", self.prefix)
    }

    /// Written to by a health check.
    pub(super) fn probe(&self) -> String {
        format!("{}:probe", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_session_share_a_slot_and_tell_whose_they_are() {
        let keys = Keys::new("anima");
        let session = SessionId::parse("a:b").unwrap();
        assert_eq!(keys.session(&session)[1], "anima:v1:{a:b}:exchanges");
        assert_eq!(keys.session_of(&keys.meta(&session)), Some("a:b"));
        let museum = Tenant::parse("museum").unwrap();
        let other = session.of(&museum);
        assert_eq!(keys.session_of(&keys.meta(&other)), Some("museum/a:b"));
        assert_eq!(keys.session_of(&keys.index(&Tenant::default())), None);
        assert_eq!(keys.index(&museum), "anima:v1:sessions:museum");
        assert_eq!(keys.session_of("other:v1:{a:b}:meta"), None);
    }
}
