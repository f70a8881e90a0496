//! Whose words a client shows.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::super::error::HttpError;
use crate::turn::{SessionId, Tenant};

/// Most characters of a name.
const MAX_CHARS: usize = 64;
/// Bytes of the sum that stands for a name which can be no id.
const SUM_BYTES: usize = 20;

/// The name of a person, as clients of Fay give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User(String);

impl Default for User {
    /// Who a client shows that does not say.
    fn default() -> Self {
        Self("User".to_owned())
    }
}

impl User {
    /// Takes a name from outside, told of as `param`.
    pub(super) fn parse(name: &str, param: &str) -> Result<Self, HttpError> {
        let name = name.trim();
        if !(1..=MAX_CHARS).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            let message = "a name has 1 to 64 characters, none of them unseen";
            return Err(HttpError::parameter(param, message));
        }
        Ok(Self(name.to_owned()))
    }

    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// Their session among those of a tenant: `fay.NAME`, or, where the name can be no part of an id, a
    /// sum of it.
    pub(super) fn session(&self, tenant: &Tenant) -> Result<SessionId, HttpError> {
        if let Ok(session) = tenant.session(format!("fay.{}", self.0)) {
            return Ok(session);
        }
        let mut id = "fay:".to_owned();
        for byte in &Sha256::digest(self.0.as_bytes())[..SUM_BYTES] {
            // Writing to a text cannot fail.
            let _ = write!(id, "{byte:02x}");
        }
        Ok(tenant.session(id)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_session_and_no_two_have_the_same() {
        let museum = Tenant::parse("museum").unwrap();
        let id = |name: &str, tenant: &Tenant| {
            User::parse(name, "Username").unwrap().session(tenant).unwrap().key().to_owned()
        };
        assert_eq!(id(" User ", &Tenant::default()), "fay.User");
        assert_eq!(id("User", &museum), "museum/fay.User");
        let names = ["张三", "李四", "a b", "a/b", "A", "a", &"x".repeat(64), ":a"];
        let ids: std::collections::BTreeSet<_> = names.iter().map(|it| id(it, &museum)).collect();
        assert_eq!(ids.len(), names.len(), "{ids:?}");
        for bad in ["", "  ", "a\nb", &"长".repeat(65)] {
            assert!(User::parse(bad, "Username").is_err(), "{bad}");
        }
    }
}
