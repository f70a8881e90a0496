//! Whether weights have seen the rows of a set, whatever its file is called.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::rows::Row;

/// One row in so many leaves a fingerprint: enough to know a set again, and a short list.
const ONE_IN: u64 = 32;
/// A set of which this share of the fingerprints is known was trained on.
const KNOWN: f64 = 0.5;

/// The fingerprints of a sample of rows. Which rows are in the sample depends on their words alone.
pub(super) fn fingerprints<'a>(rows: impl IntoIterator<Item = &'a Row>) -> BTreeSet<String> {
    let of = |row: &Row| {
        let text = [&row.question, &row.evidence, &row.answer].map(String::as_str).join("\0");
        let digest = Sha256::digest(text);
        digest[..8].iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
    };
    let sampled = rows.into_iter().map(of).filter(|value| value % ONE_IN == 0);
    sampled.map(|value| format!("{value:016x}")).collect()
}

/// Whether most of the sampled rows are among those `seen`.
#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
pub(super) fn has_seen(seen: &[String], rows: &[Row]) -> bool {
    let sample = fingerprints(rows);
    let known = sample.iter().filter(|print| seen.contains(print)).count();
    !sample.is_empty() && known as f64 >= KNOWN * sample.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(about: &str) -> Vec<Row> {
        let row = |n: usize| {
            let row = serde_json::json!({"id": n.to_string(), "answer": format!("{about} {n}"), "label": 0});
            serde_json::from_value(row).unwrap()
        };
        (0..1000).map(row).collect()
    }

    #[test]
    fn rows_are_known_again_and_others_are_not() {
        let (museum, harbour) = (rows("museum"), rows("harbour"));
        let seen: Vec<String> = fingerprints(&museum).into_iter().collect();
        assert!((15..60).contains(&seen.len()), "{}", seen.len());
        assert!(has_seen(&seen, &museum) && has_seen(&seen, &museum[200..600]));
        assert!(!has_seen(&seen, &harbour) && !has_seen(&seen, &[]));
        let mostly_other: Vec<Row> = museum[..300].iter().chain(&harbour).cloned().collect();
        assert!(!has_seen(&seen, &mostly_other));
    }
}
