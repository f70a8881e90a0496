//! Callers without a key, told apart by where they are.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::account::Account;
use crate::settings::LimitSettings;

/// Addresses that are kept in mind at a time. More than so many share one account, with the limits of
/// one address.
const MOST: usize = 10_000;

/// How often those are looked for that can be forgotten.
const TIDY: Duration = Duration::from_secs(1);

/// What they are called in metrics: as many names as there are addresses would be too many.
const NAME: &str = "anonymous";

/// The accounts of callers without a key.
#[derive(Clone)]
pub(super) struct Addresses {
    limits: LimitSettings,
    /// Of all those who have none of their own.
    shared: Arc<Account>,
    known: Arc<Mutex<Known>>,
}

struct Known {
    accounts: HashMap<IpAddr, Arc<Account>>,
    tidied: Instant,
}

impl Addresses {
    pub(super) fn new(limits: LimitSettings) -> Self {
        let known = Known { accounts: HashMap::new(), tidied: Instant::now() };
        let shared = Arc::new(Account::new(NAME, limits));
        Self { limits, shared, known: Arc::new(Mutex::new(known)) }
    }

    /// The same accounts, under other limits once those are [put in effect](Self::take_effect).
    pub(super) fn with_limits(&self, limits: LimitSettings) -> Self {
        Self { limits, ..self.clone() }
    }

    /// Puts the limits in effect, for those who have an account already, too.
    pub(super) fn take_effect(&self) {
        self.shared.limit(self.limits);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for account in known.accounts.values() {
            account.limit(self.limits);
        }
    }

    pub(super) fn limits(&self) -> LimitSettings {
        self.limits
    }

    /// The account of an address; of everybody where nothing is limited.
    pub(super) fn account(&self, address: Option<IpAddr>) -> Arc<Account> {
        let Some(address) = address.map(place) else { return Arc::clone(&self.shared) };
        if self.limits == LimitSettings::default() {
            return Arc::clone(&self.shared);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = known.accounts.get(&address) {
            return Arc::clone(account);
        }
        if known.accounts.len() >= MOST && known.tidied.elapsed() >= TIDY {
            known.tidied = Instant::now();
            known.accounts.retain(|_, account| !account.is_idle());
        }
        if known.accounts.len() >= MOST {
            return Arc::clone(&self.shared);
        }
        let account = Arc::new(Account::new(NAME, self.limits));
        known.accounts.insert(address, Arc::clone(&account));
        account
    }
}

/// What one caller has: an IPv4 address, or a network of IPv6, of which everybody has a whole one.
fn place(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_address_has_its_own_limits() {
        let limits = LimitSettings { turns_per_minute: 1, ..LimitSettings::default() };
        let addresses = Addresses::new(limits);
        let taken = |text: &str| {
            let claim = Account::take_turn(&addresses.account(Some(address(text))));
            claim.map(|claim| claim.take_over().spend()).is_ok()
        };
        assert!(taken("192.0.2.1") && !taken("192.0.2.1") && taken("192.0.2.2"));
        assert!(!taken("::ffff:192.0.2.1"), "the same address in other clothes");
        assert!(taken("2001:db8::1") && !taken("2001:db8::2:1") && taken("2001:db8:0:1::1"));
    }

    #[test]
    fn however_many_addresses_there_are_memory_is_bounded_and_so_are_they() {
        let limits = LimitSettings { turns_per_minute: 1, ..LimitSettings::default() };
        let addresses = Addresses::new(limits);
        let taken: Vec<_> = (0..2 * u32::try_from(MOST).unwrap())
            .map(|number| addresses.account(Some(IpAddr::V4(number.into()))))
            .filter_map(|account| Account::take_turn(&account).ok())
            .collect();
        // Those beyond the most share what one may.
        assert_eq!(taken.len(), MOST + 1);
        let known = |addresses: &Addresses| addresses.known.lock().unwrap().accounts.len();
        assert_eq!(known(&addresses), MOST);
        // Whoever has used nothing lately can be forgotten.
        let idle = Addresses::new(limits);
        for number in 0..u32::try_from(MOST).unwrap() {
            idle.account(Some(IpAddr::V4(number.into())));
        }
        idle.known.lock().unwrap().tidied -= TIDY;
        idle.account(Some(address("2001:db8::1")));
        assert_eq!(known(&idle), 1);
    }
}
