//! What was found, for people: a line for each thing, and below it what to do.

use std::fmt::Write;

use super::{Finding, Status};

/// How a status looks: a sign, and the number of a terminal's colour.
fn look(status: Status) -> (char, u8) {
    match status {
        Status::Ok => ('✓', 32),
        Status::Warning => ('!', 33),
        Status::Failure => ('✗', 31),
    }
}

/// The page, with colours where it goes to a terminal.
pub(super) fn render(findings: &[Finding], coloured: bool) -> String {
    let paint = |code: u8, text: &str| {
        if coloured { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    };
    let wide = findings.iter().map(|finding| finding.name.chars().count()).max().unwrap_or(0);
    let mut page = String::from("\n");
    for finding in findings {
        let (sign, colour) = look(finding.status);
        let name = format!("{:wide$}", finding.name);
        let (sign, name) = (paint(colour, &sign.to_string()), paint(1, &name));
        // Writing to a text cannot fail.
        let _ = writeln!(page, "  {sign} {name}  {}", finding.message);
        if let Some(advice) = &finding.advice {
            let _ = writeln!(page, "    {:wide$}  {}", "", paint(2, &format!("→ {advice}")));
        }
    }
    let count = |status| findings.iter().filter(|finding| finding.status == status).count();
    let summary = match (count(Status::Failure), count(Status::Warning)) {
        (0, 0) => paint(32, "All is well."),
        (0, warnings) => paint(33, &format!("It runs; {} to think about.", things(warnings))),
        (failures, 0) => paint(31, &format!("{} to put right.", things(failures))),
        (failures, warnings) => {
            paint(31, &format!("{} to put right, {warnings} to think about.", things(failures)))
        }
    };
    let _ = writeln!(page, "\n  {summary}\n");
    page
}

fn things(count: usize) -> String {
    if count == 1 { "1 thing".to_owned() } else { format!("{count} things") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_something_is_and_the_next_what_to_do() {
        let findings = [
            Finding::ok("prompts", "2 personas"),
            Finding::warning("access", "open", "add keys"),
            Finding::failure("store", "gone", "start it"),
        ];
        let page = "\n  ✓ prompts  2 personas\n  ! access   open\n             → add keys\n  ✗ store    gone\n             → start it\n\n  1 thing to put right, 1 to think about.\n\n";
        assert_eq!(render(&findings, false), page);
        assert!(render(&findings, true).contains("\u{1b}[31m✗\u{1b}[0m"));
        assert!(render(&findings[..1], false).ends_with("\n  All is well.\n\n"));
        assert!(render(&findings[..2], false).contains("It runs; 1 thing to think about."));
    }
}
