//! Writes out what the case files abbreviate.
//!
//! `${TEXT*N}` is `TEXT` N times, `${hex:FF00}` are bytes, also `${hex:FF00*N}`, and `${host}`, `${session}` and the like
//! stand for what only a running service knows.

use std::collections::HashMap;

/// The bytes that a text stands for.
pub(crate) fn expand(text: &str, known: &HashMap<&str, String>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        bytes.extend_from_slice(before.as_bytes());
        let (inside, after) =
            after.split_once('}').unwrap_or_else(|| panic!("no end of ${{ in {text:?}"));
        if let Some(digits) = inside.strip_prefix("hex:") {
            let (digits, times) = digits.split_once('*').unwrap_or((digits, "1"));
            let pairs = digits.as_bytes().chunks(2);
            let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            bytes.extend(pairs.map(byte).collect::<Vec<_>>().repeat(times.parse().unwrap()));
        } else if let Some((unit, times)) = inside.rsplit_once('*') {
            bytes.extend_from_slice(unit.repeat(times.parse().unwrap()).as_bytes());
        } else {
            let value = known.get(inside).unwrap_or_else(|| panic!("what is ${{{inside}}}?"));
            bytes.extend_from_slice(value.as_bytes());
        }
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

#[test]
fn abbreviations_are_written_out() {
    let known = HashMap::from([("host", "here:1".to_owned())]);
    let expanded = |text| String::from_utf8(expand(text, &known)).unwrap();
    assert_eq!(expanded("a ${b*3} ${host} ${hex:63} ${é*2}"), "a bbb here:1 c éé");
    assert_eq!(expand("${hex:FF00*2}", &known), [0xFF, 0, 0xFF, 0]);
    assert_eq!(expanded("$ { } {\"a\":1}"), "$ { } {\"a\":1}");
}
