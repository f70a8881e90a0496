//! What a full stop means, judged by what stands before it.

/// Shortened words that a name or an explanation follows: no sentence ends there.
const BEFORE_NAMES: &[&str] = &[
    "mr", "mrs", "ms", "mx", "dr", "prof", "st", "rev", "hon", "gen", "col", "sgt", "capt", "lt",
    "cmdr", "gov", "sen", "rep", "pres", "vs", "cf", "al", "viz", "approx", "esp", "e.g", "i.e",
    "eg", "ie",
];
/// Shortened words that may well end a sentence: what follows tells.
const EITHER: &[&str] = &[
    "etc", "inc", "ltd", "co", "corp", "jr", "sr", "a.m", "p.m", "am", "pm", "ph.d", "b.c", "a.d",
    "dept", "est", "ave", "blvd", "rd", "bros", "univ",
];
/// Shortened words that a number follows.
const BEFORE_NUMBERS: &[&str] = &[
    "no", "nos", "nr", "fig", "figs", "eq", "vol", "ch", "chap", "sec", "art", "p", "pp", "ed",
    "ver", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
];

/// What is to follow after white space for a full stop to be the end of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Period {
    /// Whatever follows, the sentence is over.
    End,
    /// Over unless a small letter follows.
    UnlessSmall,
    /// Over unless a digit follows.
    UnlessDigit,
    /// Part of an abbreviation or a list number: not over.
    Inside,
}

/// Judges the full stop that `text` ends with; `text` begins where its line or sentence does.
pub(super) fn judge(text: &str) -> Period {
    let stem = text.strip_suffix('.').unwrap_or(text);
    if stem.ends_with('.') {
        return Period::UnlessSmall;
    }
    if is_list_mark(stem) {
        return Period::Inside;
    }
    let start = stem
        .char_indices()
        .rev()
        .take_while(|(_, c)| c.is_alphabetic() && c.is_ascii() || *c == '.')
        .last()
        .map_or(stem.len(), |(place, _)| place);
    let token = &stem[start..];
    let lower = token.to_ascii_lowercase();
    let lower = lower.as_str();
    if BEFORE_NAMES.contains(&lower) {
        Period::Inside
    } else if EITHER.contains(&lower) {
        Period::UnlessSmall
    } else if BEFORE_NUMBERS.contains(&lower) {
        Period::UnlessDigit
    } else if is_acronym(token) || is_initial(token, &stem[..start]) {
        Period::Inside
    } else {
        Period::End
    }
}

/// Whether a text is `1.` or `A.` with nothing but marks before it, as in `1. 先…` or `- **2. Then`.
pub(super) fn is_list_mark(text: &str) -> bool {
    let stem = text.trim_end().trim_end_matches('.');
    let mark = stem.trim_start_matches(|c: char| !c.is_alphanumeric());
    let digits = !mark.is_empty() && mark.len() <= 3 && mark.chars().all(|c| c.is_ascii_digit());
    let letter = mark.len() == 1 && mark.chars().all(|c| c.is_ascii_alphabetic());
    digits || letter
}

/// `U.S`, `J.K`: single letters with full stops between them.
fn is_acronym(token: &str) -> bool {
    token.contains('.') && token.split('.').all(|part| part.len() == 1)
}

/// The `W` of "George W. Bush": a single capital behind a name. Not the `I` of "So do I."
fn is_initial(token: &str, before: &str) -> bool {
    let capital = token.len() == 1 && token != "I" && token.chars().all(|c| c.is_ascii_uppercase());
    let word = before.trim_end().rsplit(char::is_whitespace).next().unwrap_or_default();
    capital && (word.ends_with('.') || word.starts_with(|c: char| c.is_ascii_uppercase()))
}
