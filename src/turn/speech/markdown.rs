//! Takes the marks of Markdown out of a text.

/// Longest link that is read as one, in characters.
const MAX_LINK: usize = 1024;

/// Where a text stands: a link's label may hold an image, and that nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nesting {
    Outer,
    Label,
}

/// A text in which links have become their texts and images are gone.
pub(super) fn without_links(text: &str, nesting: Nesting) -> String {
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some(start) = rest.find('[') {
        kept.push_str(&rest[..start]);
        rest = &rest[start..];
        if let Some((label, length)) = link(rest) {
            if kept.ends_with('!') {
                kept.pop();
            } else if nesting == Nesting::Label {
                kept.push_str(label);
            } else if !label.starts_with('^') {
                kept.push_str(&without_links(label, Nesting::Label));
            }
            rest = &rest[length..];
        } else {
            kept.push('[');
            rest = &rest[1..];
        }
    }
    kept.push_str(rest);
    kept
}

/// The label and the bytes of the link, image or footnote that a text begins with.
fn link(text: &str) -> Option<(&str, usize)> {
    let label = balanced(text, '[', ']')?;
    let behind = &text[label.len() + 2..];
    if behind.starts_with('(') {
        let target = balanced(behind, '(', ')')?;
        let address = target.split_whitespace().next().unwrap_or_default();
        let is_address = !address.is_empty()
            && address.chars().all(|c| c.is_ascii() || c.is_alphanumeric())
            && (address.contains(['/', '.', '#', ':']) || target.is_ascii());
        return is_address.then_some((label, label.len() + target.len() + 4));
    }
    label.starts_with('^').then_some((label, label.len() + 2))
}

/// What stands between the first bracket of a text and its partner on the same line.
fn balanced(text: &str, open: char, close: char) -> Option<&str> {
    let mut depth = 0_usize;
    for (place, character) in text.char_indices().take(MAX_LINK) {
        match character {
            '\n' => return None,
            c if c == open => depth += 1,
            c if c == close => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return text.get(1..place);
                }
            }
            _ => {}
        }
    }
    None
}

/// A text without the marks of headings, quotes, lists, tables, fences and emphasis.
pub(super) fn without_marks(text: &str) -> String {
    let lines: Vec<String> =
        text.lines().map(|line| without_emphasis(without_line_mark(line))).collect();
    lines.join(" ")
}

/// A line without the marks that it begins with.
fn without_line_mark(line: &str) -> &str {
    let mut line = line.trim_start();
    if let Some(fence) = line.strip_prefix("```").or_else(|| line.strip_prefix("~~~")) {
        let language = fence.trim();
        let named = language
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '#' | '-' | '_'));
        return if named { "" } else { fence };
    }
    while let Some(quoted) = line.strip_prefix('>') {
        line = quoted.trim_start();
    }
    if line.chars().all(|c| matches!(c, '|' | '-' | ':' | '=' | ' ')) {
        return "";
    }
    let heading = line.trim_start_matches('#');
    if (1..=6).contains(&(line.len() - heading.len())) && heading.starts_with(char::is_whitespace) {
        line = heading.trim_start();
    }
    for bullet in ["- ", "* ", "+ ", "• "] {
        if let Some(item) = line.strip_prefix(bullet) {
            line = item.trim_start();
            break;
        }
    }
    for checkbox in ["[ ] ", "[x] ", "[X] "] {
        line = line.strip_prefix(checkbox).unwrap_or(line);
    }
    line
}

/// A line without emphasis, code marks, rules, table bars and escapes.
fn without_emphasis(line: &str) -> String {
    let characters: Vec<char> = line.chars().collect();
    let mut kept = String::with_capacity(line.len());
    let mut index = 0;
    while let Some(&mark) = characters.get(index) {
        let length = characters[index..].iter().take_while(|c| **c == mark).count();
        let before = index.checked_sub(1).and_then(|index| characters.get(index)).copied();
        let after = characters.get(index + length).copied();
        match mark {
            '\\' if length == 1 && after.is_some_and(|c| c.is_ascii_punctuation()) => {
                kept.extend(after);
                index += 2;
                continue;
            }
            '`' => {}
            '*' if !is_times(before, length, after) => {}
            '_' if !(is_word(before) && is_word(after)) => {}
            '~' if length > 1 => {}
            '-' | '=' if length >= 3 && is_blank(before) && is_blank(after) => {}
            '|' if is_blank(before) || is_blank(after) => kept.push(' '),
            mark => kept.extend(std::iter::repeat_n(mark, length)),
        }
        index += length;
    }
    kept
}

/// Whether asterisks multiply: `2*3`, `a * b`, `2**3`.
fn is_times(before: Option<char>, length: usize, after: Option<char>) -> bool {
    let digit = |side: Option<char>| side.is_some_and(|side| side.is_ascii_digit());
    let spaced = |side: Option<char>| side.is_some_and(char::is_whitespace);
    match length {
        1 => is_word(before) && is_word(after) || spaced(before) && spaced(after),
        2 => digit(before) && digit(after),
        _ => false,
    }
}

fn is_word(side: Option<char>) -> bool {
    side.is_some_and(|side| side.is_ascii_alphanumeric() || side == '_')
}

/// Whether a mark stands at the border of a line, of a cell or of a word.
fn is_blank(side: Option<char>) -> bool {
    side.is_none_or(|side| side.is_whitespace() || matches!(side, '|' | ':'))
}
