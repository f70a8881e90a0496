//! Patterns with `*` and `?`, as in a shell but across `/` too.

/// Whether all of `text` has the form of `pattern`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut seen) = (0, 0);
    // Where to go on when what follows the last `*` does not fit: let it take one more character.
    let mut retreat = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some('*') => {
                retreat = Some((at, seen));
                at += 1;
            }
            Some(&expected) if expected == '?' || expected == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((star, taken)) = retreat else { return false };
                retreat = Some((star, taken + 1));
                at = star + 1;
                seen = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|character| *character == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, text, expected) in [
            ("a.gguf", "a.gguf", true),
            ("*.gguf", "dir/a.gguf", true),
            ("*q4_k_m*", "qwen-q4_k_m.gguf", true),
            ("*a*b*", "xxabab", true),
            ("*ab", "aab", true),
            ("?.json", "a.json", true),
            ("?.json", ".json", false),
            ("*.gguf", "a.ggufx", false),
            ("a", "ab", false),
            ("", "", true),
            ("*", "", true),
            ("", "a", false),
            ("模*", "模型.json", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
