//! Markdown: headings, paragraphs, lists and tables.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{Blocks, Content, row};

/// What the text that comes belongs to.
#[derive(Default)]
struct Reader {
    blocks: Blocks,
    text: String,
    /// The level of the heading that is open.
    heading: Option<u8>,
    /// How many lists are open; a list is one block.
    lists: usize,
    table: Option<Table>,
    /// Inside front matter, which is no text.
    is_aside: bool,
}

#[derive(Default)]
struct Table {
    names: Vec<String>,
    cells: Vec<String>,
}

pub(super) fn read(text: &str) -> Content {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    let mut reader = Reader::default();
    for event in Parser::new_ext(text, options) {
        reader.take(event);
    }
    reader.flush();
    reader.blocks.into_content()
}

impl Reader {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.open(&tag),
            Event::End(tag) => self.close(tag),
            Event::Text(text) | Event::Code(text) if !self.is_aside => self.text.push_str(&text),
            Event::SoftBreak => self.text.push(' '),
            Event::HardBreak => self.text.push('\n'),
            _ => {}
        }
    }

    fn open(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.flush();
                self.heading = Some(*level as u8);
            }
            Tag::Paragraph | Tag::CodeBlock(_) | Tag::FootnoteDefinition(_) if self.lists == 0 => {
                self.flush();
            }
            Tag::List(_) => {
                if self.lists == 0 {
                    self.flush();
                }
                self.lists += 1;
            }
            Tag::Item => self.text.push_str("\n- "),
            Tag::Table(_) => {
                self.flush();
                self.table = Some(Table::default());
            }
            Tag::MetadataBlock(_) => self.is_aside = true,
            _ => {}
        }
    }

    fn close(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                let text = std::mem::take(&mut self.text);
                self.blocks.heading(self.heading.take().unwrap_or(6), &text);
            }
            TagEnd::Paragraph if self.lists > 0 => self.text.push('\n'),
            TagEnd::Paragraph | TagEnd::CodeBlock | TagEnd::FootnoteDefinition => self.flush(),
            TagEnd::List(_) => {
                self.lists = self.lists.saturating_sub(1);
                if self.lists == 0 {
                    self.flush();
                }
            }
            TagEnd::TableCell => {
                let text = std::mem::take(&mut self.text);
                if let Some(table) = &mut self.table {
                    table.cells.push(text);
                }
            }
            TagEnd::TableHead => {
                if let Some(table) = &mut self.table {
                    table.names = std::mem::take(&mut table.cells);
                }
            }
            TagEnd::TableRow => {
                if let Some(table) = &mut self.table {
                    let cells = std::mem::take(&mut table.cells);
                    self.blocks.block(&row(&table.names, &cells));
                }
            }
            TagEnd::Table => self.table = None,
            TagEnd::MetadataBlock(_) => self.is_aside = false,
            _ => {}
        }
    }

    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        let lines = text.lines().map(str::trim_end).filter(|line| !line.trim().is_empty());
        self.blocks.block(&lines.collect::<Vec<_>>().join("\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(String, String)> {
        let blocks = read(text).blocks.into_iter();
        blocks.map(|block| (block.headings.join(" > "), block.text)).collect()
    }

    fn of(heading: &str, text: &str) -> (String, String) {
        (heading.to_owned(), text.to_owned())
    }

    #[test]
    fn text_stands_under_its_headings() {
        let text = "---\ntitle: x\n---\nBefore.\n\n# House\n\nOne\ntwo **bold**.\n\n## Rooms\n\n\
            - A\n- B\n  - C\n\n# Garden\n\n> Quiet.\n\n```\ncode\n```\n";
        assert_eq!(
            told(text),
            [
                of("", "Before."),
                of("House", "One two bold."),
                of("House > Rooms", "- A\n- B\n- C"),
                of("Garden", "Quiet."),
                of("Garden", "code"),
            ]
        );
    }

    #[test]
    fn a_row_of_a_table_is_a_block_that_names_its_columns() {
        let text = "# 票\n\n| 票种 | 价格 |\n|---|---|\n| 成人 | 30元 |\n| 儿童 | |\n";
        assert_eq!(told(text), [of("票", "票种: 成人; 价格: 30元"), of("票", "票种: 儿童")]);
    }

    #[test]
    fn markup_in_the_text_is_no_text() {
        let text =
            "See [the map](https://example.org) ![a door](x.png).\n\n<script>alert(1)</script>\n";
        assert_eq!(told(text), [of("", "See the map a door.")]);
    }
}
