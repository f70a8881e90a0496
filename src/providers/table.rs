//! What a service tells of its providers, as a table for people.

use std::fmt::Write;

use serde_json::Value;

/// The columns, and whether they hold numbers.
const COLUMNS: [(&str, bool); 11] = [
    ("NAME", false),
    ("KIND", false),
    ("MODEL", false),
    ("STATE", false),
    ("BUSY", true),
    ("QUEUE", true),
    ("P50 MS", true),
    ("P95 MS", true),
    ("P99 MS", true),
    ("ASKED", true),
    ("FAILED", true),
];

/// Most characters of a cell, so that one long name does not push everything else aside.
const WIDEST: usize = 32;

/// A row for every provider, and the last error of each under it. `P50` to `P99` are from admission to
/// the first piece of text.
pub(super) fn render(told: &Value) -> String {
    let listed = |key: &str| told[key].as_array().map_or(&[][..], Vec::as_slice);
    let providers = listed("providers").iter().chain(listed("loading"));
    let rows: Vec<[String; COLUMNS.len()]> = providers.clone().map(row).collect();
    let widths: Vec<_> = COLUMNS
        .iter()
        .enumerate()
        .map(|(column, (title, _))| {
            rows.iter().map(|row| width(&row[column])).max().unwrap_or(0).max(title.len())
        })
        .collect();
    let mut text = String::new();
    write_row(&mut text, COLUMNS.map(|(title, _)| title.to_owned()), &widths);
    for (row, provider) in rows.into_iter().zip(providers) {
        write_row(&mut text, row, &widths);
        if let Some(reason) = provider["reason"].as_str() {
            // Writing into a text does not fail.
            let _ = writeln!(text, "  {}", printable(reason));
        }
        if let Some(error) = provider["last_error"]["message"].as_str() {
            let at = provider["last_error"]["at"].as_str().unwrap_or_default();
            // To the second, in the form 2026-11-25T19:00:00Z.
            let at = at.split_once('.').map_or(at.to_owned(), |(second, _)| format!("{second}Z"));
            // Writing into a text does not fail.
            let _ = writeln!(text, "  last error {at}: {}", printable(error));
        }
    }
    text
}

fn row(provider: &Value) -> [String; COLUMNS.len()] {
    let word = |key: &str| cell(provider[key].as_str().unwrap_or("-"));
    let number = |value: &Value| value.as_u64().map_or("-".to_owned(), |number| number.to_string());
    let first_token = &provider["first_token"];
    [
        word("name"),
        word("kind"),
        word("model"),
        state(provider),
        number(&provider["in_flight"]),
        number(&provider["queued"]),
        number(&first_token["p50_ms"]),
        number(&first_token["p95_ms"]),
        number(&first_token["p99_ms"]),
        number(&provider["attempts"]),
        number(&provider["failures"]),
    ]
}

/// Whether a turn would ask it now.
fn state(provider: &Value) -> String {
    let breaker = &provider["breaker"];
    match breaker["state"].as_str() {
        Some("open") => {
            let seconds = breaker["remaining_ms"].as_u64().unwrap_or_default().div_ceil(1000);
            let cause = breaker["cause"].as_str().unwrap_or("failed");
            // When its time is over the next turn tries it.
            if seconds == 0 {
                format!("due ({cause})")
            } else {
                format!("open {seconds}s ({cause})")
            }
        }
        Some("half_open") => "being tried".to_owned(),
        _ if provider["state"] == "loading" => {
            let seconds = provider["seconds"].as_u64().unwrap_or_default();
            let mebibytes = provider["bytes"].as_u64().unwrap_or_default() >> 20;
            format!("loading {mebibytes} MiB, {seconds}s")
        }
        _ => cell(provider["state"].as_str().unwrap_or("ready")),
    }
}

fn cell(text: &str) -> String {
    let text = printable(text);
    if text.chars().count() <= WIDEST {
        return text;
    }
    text.chars().take(WIDEST - 1).chain(['…']).collect()
}

/// A text without characters that could steer the terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

/// Places that a text takes in a terminal: Chinese characters and their like take two.
fn width(text: &str) -> usize {
    text.chars().map(|character| 1 + usize::from(character >= '\u{2e80}')).sum()
}

fn write_row(text: &mut String, row: [String; COLUMNS.len()], widths: &[usize]) {
    let mut line = String::new();
    for ((cell, (_, is_number)), wide) in row.into_iter().zip(COLUMNS).zip(widths) {
        let space = " ".repeat(wide.saturating_sub(width(&cell)));
        let (before, after) = if is_number { (space.as_str(), "") } else { ("", space.as_str()) };
        line.extend([before, &cell, after, "  "]);
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_has_a_row_for_every_provider_and_its_last_error() {
        let told = json!({ "providers": [
            {
                "name": "远方", "kind": "openai", "model": "gpt-4o-mini", "state": "ready",
                "breaker": { "state": "open", "remaining_ms": 1200, "cause": "timeout" },
                "in_flight": 3, "queued": 12, "attempts": 1009, "failures": 8,
                "first_token": { "p50_ms": 210, "p95_ms": 800, "p99_ms": 7900, "count": 256 },
                "last_error": { "kind": "timeout", "message": "far: nothing\u{1b}[2J came",
                    "at": "2026-11-25T19:00:00.123456Z" },
            },
        ], "loading": [
            { "name": "demo", "kind": "local", "state": "loading", "bytes": 90_000_000, "seconds": 7 },
            { "name": "huge", "kind": "local", "state": "failed", "bytes": 1, "reason": "no memory" },
        ]});
        insta::assert_snapshot!(render(&told), @"
        NAME  KIND    MODEL        STATE               BUSY  QUEUE  P50 MS  P95 MS  P99 MS  ASKED  FAILED
        远方  openai  gpt-4o-mini  open 2s (timeout)      3     12     210     800    7900   1009       8
          last error 2026-11-25T19:00:00Z: far: nothing[2J came
        demo  local   -            loading 85 MiB, 7s     -      -       -       -       -      -       -
        huge  local   -            failed                 -      -       -       -       -      -       -
          no memory
        ");
    }
}
