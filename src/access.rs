//! Who may call, and how much: keys, what each of them may use, and what callers without one may.
//!
//! A surface asks the [`Gate`] who a request is from and gets a [`Caller`], or not. For each turn it
//! asks the caller for a [`Claim`], which becomes a [`Running`] in the turn's place and is told what the
//! turn has cost.
//!
//! What is counted is counted by this process; the quotas of keys are settled with the store
//! ([`crate::quotas`]). Rates, turns at a time, and the quotas of addresses are this process's own.

mod account;
mod addresses;
mod allowance;
mod claim;
mod keys;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwap;
use thiserror::Error;

use crate::{
    settings::{Settings, SettingsError},
    turn::{Tenant, TurnError, TurnErrorCode},
};
use account::Account;
use addresses::Addresses;
use keys::Keys;

pub use account::Open;
pub use allowance::Allowance;
pub use claim::{Claim, Running};

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Stranger {
    /// There was no key.
    #[error("a key is needed here; send it as Authorization: Bearer KEY")]
    NoKey,
    /// The key is none of ours.
    #[error("the key is wrong")]
    WrongKey,
}

/// Who may call at present; what a reload exchanges.
pub struct Gate(ArcSwap<Access>);

/// Who may call.
struct Access {
    keys: Keys,
    addresses: Addresses,
    /// There where callers without a key are let in.
    anonymous: Option<Revoked>,
}

/// Whether those who were let in by something are not any more.
type Revoked = Arc<AtomicBool>;

/// Somebody who was let in.
#[derive(Debug, Clone)]
pub struct Caller {
    tenant: Tenant,
    account: Arc<Account>,
    is_known: bool,
    /// Set when a reload takes away what let the caller in.
    revoked: Revoked,
}

impl Gate {
    /// The gate that the settings describe.
    ///
    /// # Errors
    /// When a key is not where the settings say, is too weak, or is given twice.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        Access::new(settings, None).map(|access| Self(ArcSwap::from_pointee(access)))
    }

    /// What the settings describe now, ready to be [put in effect](Next::take_effect): what has been
    /// used of a key goes on being counted.
    ///
    /// # Errors
    /// As [`Gate::new`].
    pub fn next(&self, settings: &Settings) -> Result<Next<'_>, SettingsError> {
        let access = Access::new(settings, Some(&self.0.load()))?;
        Ok(Next { gate: self, access })
    }

    /// Who calls, with this key and from this address.
    ///
    /// Where there are no keys nobody looks at what is sent as one: clients of `OpenAI`'s API always
    /// send something.
    ///
    /// # Errors
    /// When the caller is not let in.
    pub fn caller(&self, key: Option<&str>, address: Option<IpAddr>) -> Result<Caller, Stranger> {
        let access = self.0.load();
        match (key, &access.anonymous) {
            (Some(key), _) if !access.keys.is_empty() => {
                access.keys.find(key).cloned().ok_or(Stranger::WrongKey)
            }
            (_, Some(revoked)) => {
                let account = access.addresses.account(address);
                let (tenant, revoked) = (Tenant::default(), Arc::clone(revoked));
                Ok(Caller { tenant, account, is_known: false, revoked })
            }
            _ => Err(Stranger::NoKey),
        }
    }

    /// Counts the request of somebody who was not let in, on the account of the address.
    ///
    /// # Errors
    /// When there were too many; the error says when to come back.
    pub fn turn_away(&self, address: Option<IpAddr>) -> Result<(), TurnError> {
        self.0.load().addresses.account(address).take_request()
    }

    /// What was used of the quotas of keys and the store is to be told of; where it is `shared`, others use
    /// them, too.
    pub fn unsettled(&self, shared: bool) -> Vec<Open> {
        self.0.load().keys.accounts().filter_map(|account| Account::open(account, shared)).collect()
    }

    /// Whether a key belongs to somebody; without keys, none does.
    pub fn knows(&self, key: &str) -> bool {
        self.0.load().keys.find(key).is_some()
    }
}

/// What a gate will be.
pub struct Next<'gate> {
    gate: &'gate Gate,
    access: Access,
}

impl Next<'_> {
    /// Whether somebody else is let in then, or may use more or less.
    pub fn is_different(&self) -> bool {
        let (now, next) = (self.gate.0.load(), &self.access);
        now.anonymous.is_some() != next.anonymous.is_some()
            || now.addresses.limits() != next.addresses.limits()
            || !now.keys.are_as(&next.keys)
    }

    /// Lets it be so. Callers that were let in stay, on the same account, under its new limits; those
    /// whose key is gone, or is another one, take no more turns.
    pub fn take_effect(self) {
        let next = Arc::new(self.access);
        let before = self.gate.0.swap(Arc::clone(&next));
        next.keys.take_effect(&before.keys);
        next.addresses.take_effect();
        if let (Some(revoked), None) = (&before.anonymous, &next.anonymous) {
            revoked.store(true, Ordering::SeqCst);
        }
    }
}

impl Access {
    fn new(settings: &Settings, before: Option<&Self>) -> Result<Self, SettingsError> {
        let keys = Keys::read(settings, before.map(|before| &before.keys))?;
        let anonymous = (settings.access.anonymous || keys.is_empty())
            .then(|| before.and_then(|before| before.anonymous.clone()).unwrap_or_default());
        let limits = settings.access.limits;
        let addresses = match before {
            Some(before) => before.addresses.with_limits(limits),
            None => Addresses::new(limits),
        };
        Ok(Self { keys, addresses, anonymous })
    }
}

impl Caller {
    /// Whose sessions the caller sees.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Whether it was a key that let the caller in.
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// Counts a request.
    ///
    /// # Errors
    /// When there were too many; the error says when to come back.
    pub fn take_request(&self) -> Result<(), TurnError> {
        self.account.take_request()
    }

    /// Counts a turn that is about to be taken.
    ///
    /// # Errors
    /// When there were too many, or a quota is used up; the error says when to come back. When the
    /// caller's key is one no longer.
    pub fn take_turn(&self) -> Result<Claim, TurnError> {
        if self.revoked.load(Ordering::SeqCst) {
            let message =
                "what let this caller in was taken out of the configuration: connect again";
            return Err(TurnError::new(TurnErrorCode::QuotaExceeded, message));
        }
        Account::take_turn(&self.account)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use tempfile::TempDir;

    use super::*;
    use crate::{settings::Overrides, turn::TurnErrorCode};

    /// A service's settings, and the folder that its keys are in.
    struct Ground(Settings, #[expect(dead_code, reason = "it ends with this")] TempDir);

    /// Settings with `changes`; the file `kiosk` holds a key.
    fn ground(changes: &str) -> Ground {
        let folder = tempfile::tempdir().unwrap();
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/base.toml");
        let config = folder.path().join("config");
        fs::create_dir(&config).unwrap();
        fs::copy(base, config.join("base.toml")).unwrap();
        fs::write(folder.path().join("kiosk"), "0123456789abcdef\n").unwrap();
        fs::write(config.join("test.toml"), changes).unwrap();
        Ground(Settings::load(&config, "test", &Overrides::default()).unwrap(), folder)
    }

    fn gate(changes: &str) -> Gate {
        Gate::new(&ground(changes).0).unwrap()
    }

    const KIOSK: &str = "[keys.kiosk]\nkey_file = \"kiosk\"\ntenant = \"museum\"\n";

    #[test]
    fn without_keys_everybody_is_let_in_whatever_they_send() {
        let gate = gate("");
        for key in [None, Some("sk-anything"), Some("")] {
            let caller = gate.caller(key, None).unwrap();
            assert_eq!(caller.tenant(), &Tenant::default());
            assert!((0..1000).all(|_| caller.take_turn().is_ok() && caller.take_request().is_ok()));
        }
    }

    #[test]
    fn with_keys_only_those_who_have_one_are_let_in() {
        let both = gate(&format!("{KIOSK}[access]\nanonymous = true"));
        let gate = gate(KIOSK);
        let caller = gate.caller(Some("0123456789abcdef"), None).unwrap();
        assert_eq!(caller.tenant().name(), Some("museum"));
        for wrong in ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF"] {
            assert_eq!(gate.caller(Some(wrong), None).unwrap_err(), Stranger::WrongKey, "{wrong}");
        }
        assert_eq!(gate.caller(None, None).unwrap_err(), Stranger::NoKey);

        assert_eq!(both.caller(None, None).unwrap().tenant(), &Tenant::default());
        assert_eq!(both.caller(Some("guess"), None).unwrap_err(), Stranger::WrongKey);
    }

    #[test]
    fn what_was_used_is_still_counted_after_a_reload() {
        let limited =
            |turns: u32| ground(&format!("{KIOSK}[keys.kiosk.limits]\nturns_per_day = {turns}"));
        let gate = Gate::new(&limited(2).0).unwrap();
        let caller = || gate.caller(Some("0123456789abcdef"), None).unwrap();
        let take = |caller: Caller| {
            caller.take_turn().map(|claim| claim.take_over().spend()).map_err(|error| error.code)
        };
        let (first, used_up) = (caller(), Err(TurnErrorCode::QuotaExceeded));
        take(first.clone()).unwrap();
        gate.next(&limited(2).0).unwrap().take_effect();
        take(caller()).unwrap();
        assert_eq!(take(first.clone()), used_up);
        let next = limited(3);
        let next = gate.next(&next.0).unwrap();
        assert_eq!(take(first.clone()), used_up, "it is not in effect");
        next.take_effect();
        take(first.clone()).unwrap();
        assert_eq!(take(caller()), used_up, "both are the same account");
        gate.next(&limited(9).0).unwrap().take_effect();
        take(first.clone()).unwrap();
        gate.next(&ground("").0).unwrap().take_effect();
        assert_eq!(take(first), used_up, "the key is gone");
        let anonymous = gate.caller(None, None).unwrap();
        take(anonymous.clone()).unwrap();
        gate.next(&limited(9).0).unwrap().take_effect();
        assert_eq!(take(anonymous), used_up);
    }
}
