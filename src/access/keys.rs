//! The keys of callers: kept as sums, looked for in a time that tells nothing.

use std::sync::{Arc, atomic::Ordering};

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::{Account, Caller, Revoked};
use crate::{
    settings::{LimitSettings, Settings, SettingsError},
    turn::Tenant,
};

/// Fewest characters of a key: what is shorter can be guessed.
const MIN_CHARS: usize = 16;

/// Most characters of a key.
const MAX_CHARS: usize = 512;

/// A key as it is kept: nobody finds it out from here.
type Sum = [u8; 32];

/// All keys.
pub(super) struct Keys(Vec<Key>);

struct Key {
    name: String,
    sum: Sum,
    /// What its account may once this takes effect.
    limits: LimitSettings,
    caller: Caller,
}

fn sum(key: &str) -> Sum {
    Sha256::digest(key.as_bytes()).into()
}

/// Whether two sums are the same, in a time that does not depend on where they differ.
fn same(one: &Sum, other: &Sum) -> bool {
    one.iter().zip(other).fold(0, |different, (one, other)| different | (one ^ other)) == 0
}

impl Keys {
    /// Fetches the keys of the settings. The accounts of those that were there `before` go on.
    pub(super) fn read(settings: &Settings, before: Option<&Self>) -> Result<Self, SettingsError> {
        let mut keys: Vec<Key> = Vec::new();
        for (name, key) in &settings.keys {
            let at = format!("keys.{name}");
            let refuse = |message: String| SettingsError::value(&at, message);
            if !is_name(name) {
                let rule = "the name of a key has 1 to 64 of the characters A-Z a-z 0-9 - _";
                return Err(refuse(rule.to_owned()));
            }
            let secret = key.reveal(name, &settings.home)?;
            let secret = secret.expose_secret();
            if !is_sound(secret) {
                let rule = format!(
                    "a key has {MIN_CHARS} to {MAX_CHARS} of the characters A-Z a-z 0-9 - . _ ~ +, such as \
                     `openssl rand -hex 32` makes"
                );
                return Err(refuse(rule));
            }
            let sum = sum(secret);
            if let Some(other) = keys.iter().find(|other| other.sum == sum) {
                return Err(refuse(format!("it is the same key as keys.{}", other.name)));
            }
            let tenant = Tenant::parse(key.tenant.as_deref().unwrap_or("default"));
            let tenant = tenant.map_err(|error| refuse(error.to_string()))?;
            let known = before.and_then(|before| before.0.iter().find(|key| key.name == *name));
            let account = known.map_or_else(
                || Arc::new(Account::new(name, key.limits)),
                |known| Arc::clone(&known.caller.account),
            );
            let revoked = known
                .filter(|known| known.sum == sum && known.caller.tenant == tenant)
                .map_or_else(Revoked::default, |known| Arc::clone(&known.caller.revoked));
            let caller = Caller { tenant, account, is_known: true, revoked };
            keys.push(Key { name: name.clone(), sum, limits: key.limits, caller });
        }
        Ok(Self(keys))
    }

    /// Puts the limits in effect, and ends what was let in by keys of `before` that are none any more.
    pub(super) fn take_effect(&self, before: &Self) {
        for key in &self.0 {
            key.caller.account.limit(key.limits);
        }
        for gone in &before.0 {
            let stays = |key: &Key| Arc::ptr_eq(&key.caller.revoked, &gone.caller.revoked);
            if !self.0.iter().any(stays) {
                gone.caller.revoked.store(true, Ordering::SeqCst);
            }
        }
    }

    /// What each of them has used.
    pub(super) fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.0.iter().map(|key| &key.caller.account)
    }

    /// Whether the same keys let the same callers do the same.
    pub(super) fn are_as(&self, other: &Self) -> bool {
        let told = |key: &Key| (key.name.clone(), key.sum, key.caller.tenant.clone(), key.limits);
        self.0.iter().map(told).eq(other.0.iter().map(told))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose key this is. All keys are looked at, so that the time tells nothing.
    pub(super) fn find(&self, key: &str) -> Option<&Caller> {
        if key.len() > MAX_CHARS {
            return None;
        }
        let sum = sum(key);
        self.0
            .iter()
            .fold(None, |found, key| if same(&key.sum, &sum) { Some(&key.caller) } else { found })
    }
}

/// Whether a key can be called so in metrics and in the store.
fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

/// Whether a key is long enough, and can be sent wherever keys are: browsers send it as the name of a
/// subprotocol.
fn is_sound(key: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+".contains(&byte);
    (MIN_CHARS..=MAX_CHARS).contains(&key.len()) && key.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_the_same_or_not() {
        let one = sum("one");
        assert!(same(&one, &sum("one")));
        for at in 0..32 {
            let mut other = one;
            other[at] ^= 1;
            assert!(!same(&one, &other));
        }
    }

    #[test]
    fn a_key_can_be_sent_and_not_guessed() {
        assert!(is_sound("0123456789abcdef") && is_sound("A-Z.a_z~0+9-aaaaaaaa"));
        for bad in
            ["short", "0123456789abcde ", "0123456789abcdef=", "钥匙钥匙钥匙", "0123456789/abcdef"]
        {
            assert!(!is_sound(bad), "{bad}");
        }
        assert!(!is_sound(&"x".repeat(513)));
    }
}
