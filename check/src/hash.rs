//! Keys of words: 64 bits each, so that an index is integers and a look-up compares no text.
//!
//! Two words with one key would be taken for one; among the words of a turn that does not happen.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
};

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The key of a text (FNV-1a).
pub(crate) const fn key(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let (mut hash, mut at) = (OFFSET, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(PRIME);
        at += 1;
    }
    hash
}

/// The key of two keys in this order.
pub(crate) const fn join(first: u64, second: u64) -> u64 {
    (first.rotate_left(5) ^ second).wrapping_mul(SPREAD)
}

/// A set of keys.
pub(crate) type KeySet = HashSet<u64, BuildHasherDefault<Spread>>;
/// A map from keys.
pub(crate) type KeyMap<T> = HashMap<u64, T, BuildHasherDefault<Spread>>;

/// A hasher for what is a hash already: one multiplication.
#[derive(Debug, Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }

    fn write_u64(&mut self, value: u64) {
        let mixed = value.wrapping_mul(SPREAD);
        self.0 = mixed ^ (mixed >> 32);
    }
}
