//! HTML: what a reader of the page sees, without its navigation.

use ego_tree::iter::Edge;
use scraper::{Html, node::Node};

use super::{Blocks, Content, one_line, row};

/// Elements whose content nobody reads as part of the page.
const ASIDE: [&str; 11] = [
    "script", "style", "noscript", "template", "svg", "nav", "head", "iframe", "select", "button",
    "footer",
];

/// Elements that end a block.
const BLOCKS: [&str; 20] = [
    "p",
    "div",
    "section",
    "article",
    "main",
    "aside",
    "header",
    "ul",
    "ol",
    "dl",
    "dt",
    "dd",
    "pre",
    "blockquote",
    "figure",
    "figcaption",
    "address",
    "details",
    "summary",
    "form",
];

#[derive(Default)]
struct Reader {
    blocks: Blocks,
    text: String,
    /// How many elements are open that are left out.
    aside: usize,
    names: Vec<String>,
    cells: Vec<String>,
    is_named: bool,
}

pub(super) fn read(text: &str) -> Content {
    let page = Html::parse_document(text);
    let mut reader = Reader::default();
    if let Some(title) = title(&page) {
        reader.blocks.heading(1, &title);
    }
    // A walk without recursion: pages may be nested as deeply as they like.
    for edge in page.tree.root().traverse() {
        match edge {
            Edge::Open(node) => match node.value() {
                Node::Text(text) if reader.aside == 0 => reader.text.push_str(text),
                Node::Element(element) => reader.open(element.name()),
                _ => {}
            },
            Edge::Close(node) => {
                if let Node::Element(element) = node.value() {
                    reader.close(element.name());
                }
            }
        }
    }
    reader.flush();
    reader.blocks.into_content()
}

/// The title of a page that has no heading of the first level.
fn title(page: &Html) -> Option<String> {
    let of = |name: &str| {
        let found = page
            .tree
            .nodes()
            .find(|node| node.value().as_element().is_some_and(|element| element.name() == name));
        let texts = found?.descendants().filter_map(|node| node.value().as_text());
        Some(texts.map(|text| &**text).collect::<String>())
    };
    if of("h1").is_some() { None } else { of("title") }
}

impl Reader {
    fn open(&mut self, name: &str) {
        if ASIDE.contains(&name) {
            self.aside += 1;
        } else if self.aside > 0 {
        } else if BLOCKS.contains(&name) || level(name).is_some() || name == "table" {
            self.flush();
        } else if name == "li" {
            self.text.push_str("\n- ");
        } else if name == "br" {
            self.text.push('\n');
        } else if name == "tr" {
            self.text.clear();
            self.cells.clear();
            self.is_named = true;
        }
    }

    fn close(&mut self, name: &str) {
        if ASIDE.contains(&name) {
            self.aside = self.aside.saturating_sub(1);
        } else if self.aside > 0 {
        } else if let Some(level) = level(name) {
            let text = std::mem::take(&mut self.text);
            self.blocks.heading(level, &text);
        } else if name == "td" || name == "th" {
            self.cells.push(one_line(&std::mem::take(&mut self.text)));
            self.is_named &= name == "th";
        } else if name == "tr" {
            let cells = std::mem::take(&mut self.cells);
            if self.is_named {
                self.names = cells;
            } else {
                self.blocks.block(&row(&self.names, &cells));
            }
            self.text.clear();
        } else if name == "table" {
            self.names.clear();
            self.text.clear();
        } else if BLOCKS.contains(&name) {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        let lines = text.lines().map(one_line).filter(|line| !line.is_empty() && line != "-");
        self.blocks.block(&joined(lines));
    }
}

/// Lines joined as a browser shows them: only list items and breaks begin new ones, and the source's
/// own line ends are spaces.
fn joined(lines: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for line in lines {
        if !text.is_empty() {
            text.push(if line.starts_with("- ") { '\n' } else { ' ' });
        }
        text.push_str(&line);
    }
    text
}

fn level(name: &str) -> Option<u8> {
    match name.as_bytes() {
        [b'h', digit @ b'1'..=b'6'] => Some(digit - b'0'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(String, String)> {
        let blocks = read(text).blocks.into_iter();
        blocks.map(|block| (block.headings.join(" > "), block.text)).collect()
    }

    #[test]
    fn a_page_gives_what_a_reader_sees() {
        let page = "<html><head><title>Tea</title><style>p{}</style></head><body><nav>Home</nav>\
            <h2>Hours</h2><p>Open <b>daily</b>\n from 9.<script>x()</script></p>\
            <ul><li>One</li><li>Two</li></ul>\
            <table><tr><th>Ticket</th><th>Price</th></tr><tr><td>Adult</td><td>30</td></tr></table>\
            <footer>2024</footer></body></html>";
        let of = |text: &str| ("Tea > Hours".to_owned(), text.to_owned());
        assert_eq!(
            told(page),
            [of("Open daily from 9."), of("- One\n- Two"), of("Ticket: Adult; Price: 30")]
        );
    }

    #[test]
    fn broken_and_deeply_nested_pages_are_read() {
        assert_eq!(told("<p>One<p>Two</div>").len(), 2);
        let deep = format!("{}deep{}", "<div>".repeat(1_000), "</div>".repeat(1_000));
        assert_eq!(told(&deep)[0].1, "deep");
    }
}
