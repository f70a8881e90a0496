//! A report as one page that needs nothing else: no scripts, no fonts, nothing from elsewhere.

use std::fmt::Write;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1d22;--soft:#5c6370;--line:#d8dbe2;--bar:#3f6fd8;--ground:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8ec;--soft:#9aa2b1;--line:#363b46;--bar:#6f9bff;--ground:#15171c}}
body{max-width:62rem;margin:2rem auto;padding:0 1rem;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}p,dt,caption{color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
td.figure,th.figure{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
svg{width:100%;max-width:40rem;font:12px system-ui,sans-serif;fill:var(--ink)}
.bar{fill:var(--bar)}.grid{stroke:var(--line)}.whisker{stroke:var(--ink);stroke-width:1.5;fill:none}
.tick{text-anchor:middle;fill:var(--soft)}.label{text-anchor:end}";

/// A text that stands for itself in HTML, in attributes, too.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // No form of HTML has these.
            c if c.is_control() && !c.is_whitespace() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A page that is being made.
pub(super) struct Page(String);

impl Page {
    pub(super) fn new(title: &str) -> Self {
        let title = escaped(title);
        Self(format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
             <style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n"
        ))
    }

    pub(super) fn heading(&mut self, text: &str) {
        let _ = writeln!(self.0, "<h2>{}</h2>", escaped(text));
    }

    pub(super) fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.0, "<p>{}</p>", escaped(text));
    }

    /// A plot, which has escaped its texts.
    pub(super) fn plot(&mut self, svg: &str) {
        self.0.push_str(svg);
        self.0.push('\n');
    }

    /// A table; columns whose head begins with `#` hold figures.
    pub(super) fn table(&mut self, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        let class = |column: usize| {
            if head.get(column).is_some_and(|name| name.starts_with('#')) {
                " class=\"figure\""
            } else {
                ""
            }
        };
        self.0.push_str("<div class=\"wide\"><table><thead><tr>");
        for (column, name) in head.iter().enumerate() {
            let name = escaped(name.trim_start_matches('#'));
            let _ = write!(self.0, "<th{}>{name}</th>", class(column));
        }
        self.0.push_str("</tr></thead><tbody>\n");
        for row in rows {
            self.0.push_str("<tr>");
            for (column, cell) in row.iter().enumerate() {
                let _ = write!(self.0, "<td{}>{}</td>", class(column), escaped(cell));
            }
            self.0.push_str("</tr>\n");
        }
        self.0.push_str("</tbody></table></div>\n");
    }

    pub(super) fn finish(self) -> String {
        self.0 + "</body></html>\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        let hostile = "</title><script>alert('1')</script>\"onload=x \u{0} &amp;";
        let mut page = Page::new(hostile);
        page.heading(hostile);
        page.paragraph(hostile);
        page.table(&[hostile, "#n"], [vec![hostile.to_owned(), "1".to_owned()]]);
        let page = page.finish();
        assert!(!page.contains("<script") && !page.contains("'1'") && !page.contains('\u{0}'));
        assert_eq!(page.matches("</title>").count(), 1);
        assert_eq!(page.matches("&lt;script&gt;alert(&#39;1&#39;)").count(), 6);
        assert!(page.contains("<td class=\"figure\">1</td>"));
    }
}
