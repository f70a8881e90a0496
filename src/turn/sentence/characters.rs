//! What a character is for the stages of a turn.

/// Whether a character is written without spaces between words: Chinese, Japanese, Korean.
pub(in crate::turn) fn is_cjk(character: char) -> bool {
    matches!(character,
        '\u{1100}'..='\u{11FF}'
        | '\u{2E80}'..='\u{2FDF}'
        | '々' | '〇'
        | '\u{3041}'..='\u{3096}'
        | '\u{309D}'..='\u{30FA}'
        | '\u{30FC}'..='\u{318F}'
        | '\u{31A0}'..='\u{31BF}'
        | '\u{31F0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{A960}'..='\u{A97F}'
        | '\u{AC00}'..='\u{D7FF}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FF66}'..='\u{FF9F}'
        | '\u{20000}'..='\u{3FFFF}')
}

/// Whether a character is a picture: emoji, dingbats, geometric shapes.
pub(in crate::turn) fn is_pictograph(character: char) -> bool {
    matches!(character,
        '\u{203C}' | '\u{2049}' | '\u{2139}'
        | '\u{231A}'..='\u{231B}' | '\u{2328}' | '\u{23CF}' | '\u{23E9}'..='\u{23FA}' | '\u{24C2}'
        | '\u{25A0}'..='\u{27BF}'
        | '\u{2934}'..='\u{2935}'
        | '\u{2B00}'..='\u{2BFF}'
        | '\u{3030}' | '\u{303D}' | '\u{3297}' | '\u{3299}'
        | '\u{1F000}'..='\u{1FAFF}')
}

/// Whether a character only changes the picture before it: variation selectors, joiners, skin
/// tones, keycaps, tags.
pub(in crate::turn) fn is_picture_part(character: char) -> bool {
    matches!(character,
        '\u{200D}' | '\u{20E3}' | '\u{FE00}'..='\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}'
        | '\u{E0020}'..='\u{E007F}' | '\u{E0100}'..='\u{E01EF}')
}

/// Whether a mark ends a sentence wherever it stands. `!` and `?` are not among them: they also
/// stand in addresses and code.
pub(super) fn is_end(character: char) -> bool {
    matches!(character, '。' | '！' | '？' | '｡' | '⁇' | '⁈' | '⁉' | '‼')
}

/// Whether a mark stands for a pause of three dots.
pub(super) fn is_ellipsis(character: char) -> bool {
    matches!(character, '…' | '⋯')
}

/// Whether a mark can end a clause; what stands around it decides ([`super::clause`]).
pub(super) fn is_clause_mark(character: char) -> bool {
    matches!(character, '，' | ',' | '；' | ';' | '：' | ':' | '、' | '—' | '～')
}

/// The mark that closes an opening quote or bracket.
pub(super) fn closer_of(open: char) -> Option<char> {
    Some(match open {
        '“' => '”',
        '‘' => '’',
        '「' => '」',
        '『' => '』',
        '《' => '》',
        '〈' => '〉',
        '（' => '）',
        '【' => '】',
        '〔' => '〕',
        '(' => ')',
        '[' => ']',
        _ => return None,
    })
}

/// Whether a mark only ever closes something.
pub(super) fn is_closer(character: char) -> bool {
    matches!(character, '”' | '’' | '」' | '』' | '》' | '〉' | '）' | '】' | '〕' | ')' | ']')
}

/// Whether an ended sentence may be followed by this mark and still be the same sentence.
pub(super) fn is_closing(character: char) -> bool {
    is_closer(character) || matches!(character, '"' | '\'' | '*' | '`')
}
