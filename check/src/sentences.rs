//! Text → sentences, by their bytes.

use std::ops::Range;

/// Cuts a text into sentences; the ranges leave out white space at their ends, and no empty ones.
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut rest = text.char_indices().peekable();
    while let Some((at, character)) = rest.next() {
        let after = at + character.len_utf8();
        let next = rest.peek().map(|(_, next)| *next);
        let ends = match character {
            '。' | '！' | '？' | '；' | '\n' | '…' => true,
            '!' | '?' | ';' => {
                next.is_none_or(|next| !matches!(next, '!' | '?' | '"' | '”' | '\''))
            }
            '.' => full_stop(text, at, after),
            _ => false,
        };
        if !ends {
            continue;
        }
        // Closing quotes and brackets stay with what they close.
        let mut end = after;
        while let Some((at, closing)) = rest.next_if(|(_, next)| "”’」』）\"".contains(*next))
        {
            end = at + closing.len_utf8();
        }
        push(text, start..end, &mut found);
        start = end;
    }
    push(text, start..text.len(), &mut found);
    found
}

/// Whether a dot ends a sentence: not in `3.5`, `U.S.`, `Dr. Lin` or `e.g.`
fn full_stop(text: &str, at: usize, after: usize) -> bool {
    let mut following = text[after..].chars();
    let next = following.next();
    if next.is_some_and(|next| next.is_alphanumeric() && next.is_ascii()) {
        // Scraped text often lacks the space: `term.The`.
        let before = text[..at].chars().next_back();
        return next.is_some_and(char::is_uppercase)
            && before
                .is_some_and(|before| before.is_lowercase() || matches!(before, ')' | '"' | '”'))
            && following.next().is_some_and(char::is_lowercase);
    }
    let word =
        text[..at].rsplit(|c: char| !c.is_ascii_alphabetic() && c != '.').next().unwrap_or("");
    let single = word.len() == 1 && word.chars().all(char::is_uppercase);
    let listed = matches!(
        word,
        "Mr" | "Mrs"
            | "Ms"
            | "Dr"
            | "Prof"
            | "St"
            | "Jr"
            | "Sr"
            | "vs"
            | "No"
            | "e.g"
            | "i.e"
            | "approx"
    );
    let initials = word.contains('.') && !word.ends_with('.');
    let goes_on = text[after..].trim_start().chars().next().is_some_and(char::is_lowercase);
    // `1.` at the beginning of a line numbers it.
    let line = text[..at].rsplit('\n').next().unwrap_or("").trim();
    let numbers =
        !line.is_empty() && line.len() <= 2 && line.bytes().all(|byte| byte.is_ascii_digit());
    !(single || listed || numbers || (initials && goes_on))
}

fn push(text: &str, range: Range<usize>, found: &mut Vec<Range<usize>>) {
    let piece = &text[range.clone()];
    let start = range.start + (piece.len() - piece.trim_start().len());
    let end = range.end - (piece.len() - piece.trim_end().len());
    if start < end && text[start..end].chars().any(char::is_alphanumeric) {
        found.push(start..end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        sentences(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn sentences_end_at_their_marks_and_nowhere_else() {
        assert_eq!(
            cut("它高3.5米。很重！“真的？”是的"),
            ["它高3.5米。", "很重！", "“真的？”", "是的"]
        );
        assert_eq!(
            cut("Dr. Lin paid $3.50. It was J. Smith."),
            ["Dr. Lin paid $3.50.", "It was J. Smith."]
        );
        assert_eq!(cut("a long term.The next"), ["a long term.", "The next"]);
        assert_eq!(cut("1. Open it.\n2. Close it."), ["1. Open it.", "2. Close it."]);
        assert_eq!(cut(" \n…。"), Vec::<&str>::new());
    }
}
