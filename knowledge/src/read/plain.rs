//! Plain text: paragraphs between empty lines.

use super::{Blocks, Content};

pub(super) fn read(text: &str) -> Content {
    let mut blocks = Blocks::default();
    let mut paragraph = String::new();
    for line in text.lines() {
        if line.trim().is_empty() {
            blocks.block(&paragraph);
            paragraph.clear();
        } else {
            paragraph.push_str(line.trim());
            paragraph.push('\n');
        }
    }
    blocks.block(&paragraph);
    blocks.into_content()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_line_ends_a_paragraph() {
        let content = read("One,\r\ntwo.\n \n\nThree.");
        let texts: Vec<_> = content.blocks.iter().map(|block| block.text.as_str()).collect();
        assert_eq!(texts, ["One,\ntwo.", "Three."]);
    }
}
