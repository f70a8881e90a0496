//! Takes web and mail addresses and HTML tags out of a text.

use super::is_cjk;

/// Tag names of HTML; other names between angle brackets may be types, as in `Vec<String>`.
const TAGS: &[&str] = &[
    "a",
    "abbr",
    "audio",
    "b",
    "big",
    "blockquote",
    "br",
    "button",
    "center",
    "code",
    "dd",
    "del",
    "details",
    "div",
    "dl",
    "dt",
    "em",
    "figure",
    "font",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "iframe",
    "img",
    "input",
    "ins",
    "kbd",
    "label",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "script",
    "section",
    "small",
    "source",
    "span",
    "strike",
    "strong",
    "style",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
    "video",
];

/// Longest name of a mail address, in bytes.
const MAX_NAME: usize = 64;
/// Longest tag, in bytes.
const MAX_TAG: usize = 512;

/// A text without `https://…`, `www.…`, `mailto:…` and `name@host.org`.
pub(super) fn without_addresses(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some(first) = rest.chars().next() {
        let in_word = kept.ends_with(|c: char| c.is_ascii_alphanumeric());
        let length = if in_word { 0 } else { web_address(rest).max(mail_address(rest)) };
        if length == 0 {
            kept.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            rest = &rest[length..];
        }
    }
    kept
}

/// Bytes of the web address that a text begins with.
fn web_address(text: &str) -> usize {
    let scheme = ["https://", "http://", "ftp://", "mailto:", "www."];
    let Some(scheme) = scheme.iter().find(|scheme| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    }) else {
        return 0;
    };
    let end = text
        .find(|c: char| {
            c.is_whitespace()
                || is_cjk(c)
                || matches!(c, '<' | '>' | '"' | '`' | '|' | '\\' | '，' | '。')
                || matches!(
                    c,
                    '！' | '？'
                        | '；'
                        | '：'
                        | '、'
                        | '（'
                        | '）'
                        | '“'
                        | '”'
                        | '《'
                        | '》'
                        | '】'
                        | '」'
                )
        })
        .unwrap_or(text.len());
    let address =
        text[..end].trim_end_matches(['.', ',', '!', '?', ';', ':', '\'', '*', '_', ']', '}']);
    // A closing bracket belongs to the address only with its partner.
    let unopened = address.ends_with(')') && !address.contains('(');
    let address =
        if unopened { address.trim_end_matches(')').trim_end_matches(['.', ',']) } else { address };
    if address.len() > scheme.len() { address.len() } else { 0 }
}

/// Bytes of the mail address that a text begins with.
fn mail_address(text: &str) -> usize {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte);
    let end = text.bytes().take(MAX_NAME + 1).position(|byte| !is_name(byte));
    let Some(at) = end.filter(|at| *at > 0 && text[*at..].starts_with('@')) else {
        return 0;
    };
    let host = &text[at + 1..];
    let end = host
        .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-'))
        .unwrap_or(host.len());
    let host = host[..end].trim_end_matches(['.', '-']);
    let dotted = host.split_once('.').is_some_and(|(name, _)| !name.is_empty());
    if dotted { at + 1 + host.len() } else { 0 }
}

/// A text without HTML tags and comments, and with the commonest entities read.
pub(super) fn without_tags(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some(start) = rest.find('<') {
        kept.push_str(&rest[..start]);
        rest = &rest[start..];
        let length = tag(rest, kept.ends_with(char::is_alphanumeric));
        if length == 0 {
            kept.push('<');
            rest = &rest[1..];
        } else {
            if rest[..length].to_ascii_lowercase().starts_with("<br") {
                kept.push(' ');
            }
            rest = &rest[length..];
        }
    }
    kept.push_str(rest);
    kept.replace("&nbsp;", " ")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

/// Bytes of the tag that a text begins with.
fn tag(text: &str, behind_word: bool) -> usize {
    if text.starts_with("<!--") {
        return text.find("-->").map_or(0, |end| end + 3);
    }
    let Some(end) = text.find('>').filter(|end| *end <= MAX_TAG) else {
        return 0;
    };
    let body = text[1..end].trim_end_matches('/');
    let closing = body.starts_with('/');
    let name = body.trim_start_matches('/').split(char::is_whitespace).next().unwrap_or_default();
    let named = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':'));
    let known = TAGS.contains(&name.to_ascii_lowercase().as_str());
    let bare =
        name.len() == body.len() && !name.chars().any(|c| c.is_ascii_uppercase()) && !behind_word;
    if named && (known || closing || bare) { end + 1 } else { 0 }
}
