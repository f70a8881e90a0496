//! Takes texts out of the answer that are no part of it, such as an end mark that the model spells
//! out.

/// Removes every occurrence of some texts from a stream, whatever its chunk borders.
#[derive(Debug)]
pub struct Cut {
    texts: Vec<String>,
    held: String,
}

impl Cut {
    /// Removes `texts`; empty ones are ignored.
    pub fn new(texts: &[String]) -> Self {
        let texts = texts.iter().filter(|text| !text.is_empty()).cloned().collect();
        Self { texts, held: String::new() }
    }

    /// Takes a piece of the answer and gives back what cannot be the beginning of a text to remove.
    pub fn push(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        let mut kept = String::new();
        let mut rest = self.held.as_str();
        while let Some(next) = rest.chars().next() {
            if let Some(text) = self.texts.iter().find(|text| rest.starts_with(text.as_str())) {
                rest = &rest[text.len()..];
            } else if self.texts.iter().any(|text| text.starts_with(rest)) {
                break;
            } else {
                kept.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
        self.held = rest.to_owned();
        kept
    }

    /// Gives back what is left.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_removed_wherever_the_chunks_end() {
        let answer = "### Response:你好</s>，< s>世界</";
        let texts = ["### Response:".to_owned(), "</s>".to_owned()];
        for border in answer.char_indices().map(|(at, _)| at) {
            let mut cut = Cut::new(&texts);
            let kept = cut.push(&answer[..border]) + &cut.push(&answer[border..]) + &cut.finish();
            assert_eq!(kept, "你好，< s>世界</", "cut at {border}");
        }
    }
}
