//! The word lists of `lexicon/`, read once: stop words, irregular forms, antonyms, units.

use std::sync::LazyLock;

use crate::{
    hash::{KeyMap, KeySet, key},
    tokens::{stem, strip},
};

/// Words that carry no fact, by their lower-case form.
pub(crate) static STOP: LazyLock<KeySet> =
    LazyLock::new(|| words(include_str!("../lexicon/stop.txt")).flatten().map(key).collect());

/// Irregular forms → the key of their base form.
pub(crate) static IRREGULAR: LazyLock<KeyMap<u64>> = LazyLock::new(|| {
    let mut forms = KeyMap::default();
    for mut line in words(include_str!("../lexicon/irregular.txt")) {
        let Some(base) = line.next() else { continue };
        let base = key(strip(base));
        forms.extend(line.map(|form| (key(form), base)));
    }
    forms
});

/// Words → their opposites, by the keys that tokens and pairs of Chinese characters have.
pub(crate) static ANTONYMS: LazyLock<KeyMap<Vec<Antonym>>> = LazyLock::new(|| {
    let mut opposites: KeyMap<Vec<Antonym>> = KeyMap::default();
    for mut line in words(include_str!("../lexicon/antonyms.txt")) {
        let Some(one) = line.next() else { continue };
        for other in line {
            for (from, to) in [(one, other), (other, one)] {
                let list = opposites.entry(stem(from)).or_default();
                let antonym = Antonym { key: stem(to), word: to };
                if !list.iter().any(|known| known.key == antonym.key) {
                    list.push(antonym);
                }
            }
        }
    }
    opposites
});

/// One opposite of a word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Antonym {
    /// Its key.
    pub(crate) key: u64,
    /// It itself.
    pub(crate) word: &'static str,
}

/// A unit of measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnitName(pub(crate) &'static str);

/// Forms of units → the unit.
pub(crate) static UNITS: LazyLock<KeyMap<UnitName>> = LazyLock::new(|| {
    let mut units = KeyMap::default();
    for mut line in words(include_str!("../lexicon/units.txt")) {
        let Some(name) = line.next() else { continue };
        units.extend(line.map(|form| (key(form), UnitName(name))));
    }
    units
});

fn words(text: &'static str) -> impl Iterator<Item = std::str::SplitWhitespace<'static>> {
    text.lines().map(str::split_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opposites_are_found_in_both_directions_and_in_any_form() {
        let of = |word: &str| -> Vec<&str> {
            ANTONYMS
                .get(&stem(word))
                .map_or_else(Vec::new, |list| list.iter().map(|antonym| antonym.word).collect())
        };
        assert!(of("increased").contains(&"decrease"));
        assert!(of("decreasing").contains(&"increase"));
        assert!(of("上升").contains(&"下跌"));
        assert!(of("museum").is_empty());
    }
}
