//! Tables: question-answer lists, and other rows as sentences.

use csv::{ReaderBuilder, StringRecord};

use super::{Block, Content, ReadError, row};
use crate::pair::Pair;

/// What the column of questions may be called.
pub(super) const QUESTIONS: [&str; 8] =
    ["question", "questions", "q", "问题", "问", "提问", "标准问题", "问句"];
/// What the column of answers may be called.
pub(super) const ANSWERS: [&str; 8] =
    ["answer", "answers", "a", "回答", "答案", "答", "标准答案", "回复"];

/// Reads a table whose first row names its columns. With a column of questions and one of answers it
/// is a list of fixed answers; otherwise each row says what its columns say.
///
/// # Errors
/// When it is no table.
pub(super) fn read(text: &str) -> Result<Content, ReadError> {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter(text))
        .flexible(true)
        .has_headers(true)
        .from_reader(text.as_bytes());
    let broken = |error: &csv::Error| format!("it is no table: {error}");
    let names: Vec<String> = reader
        .headers()
        .map_err(|error| ReadError::Broken(broken(&error)))?
        .iter()
        .map(tidy)
        .collect();
    let column = |known: &[&str]| {
        names.iter().position(|name| known.contains(&name.to_lowercase().as_str()))
    };
    let columns = column(&QUESTIONS).zip(column(&ANSWERS));
    let mut content = Content::default();
    for record in reader.records() {
        match (record, columns) {
            (Ok(record), Some(columns)) => add_pair(&record, columns, &mut content),
            (Ok(record), None) => {
                let cells: Vec<String> = record.iter().map(tidy).collect();
                let text = row(&names, &cells);
                if !text.is_empty() {
                    content.blocks.push(Block { headings: Vec::new(), text });
                }
            }
            (Err(error), _) => content.notes.push(broken(&error)),
        }
    }
    Ok(content)
}

fn add_pair(record: &StringRecord, (question, answer): (usize, usize), content: &mut Content) {
    let cell = |column| record.get(column).unwrap_or_default();
    match Pair::of(cell(question), cell(answer)) {
        Some(pair) => content.pairs.push(pair),
        None if record.iter().all(|cell| cell.trim().is_empty()) => {}
        None => {
            let line = record.position().map_or(0, csv::Position::line);
            content.notes.push(format!("line {line} has no question or no answer"));
        }
    }
}

/// What parts the columns of the first line.
fn delimiter(text: &str) -> u8 {
    let first = text.lines().next().unwrap_or_default();
    let count = |byte: u8| first.bytes().filter(|other| *other == byte).count();
    [b',', b'\t', b';'].into_iter().rev().max_by_key(|byte| count(*byte)).unwrap_or(b',')
}

fn tidy(cell: &str) -> String {
    cell.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_of_questions_and_one_of_answers_make_fixed_answers() {
        let text = "编号,问题,答案\n1,几点开门？|什么时候开门,\"九点,\"\n2,,空\n,,\n";
        let content = read(text).unwrap();
        assert_eq!(content.pairs.len(), 1);
        assert_eq!(content.pairs[0].questions, ["几点开门？", "什么时候开门"]);
        assert_eq!(content.pairs[0].answer, "九点,");
        assert_eq!(content.notes, ["line 3 has no question or no answer"]);
    }

    #[test]
    fn other_tables_say_what_their_columns_say() {
        let content = read("Ticket;Price\nAdult;30\nChild;0\n").unwrap();
        let texts: Vec<_> = content.blocks.iter().map(|block| block.text.as_str()).collect();
        assert_eq!(texts, ["Ticket: Adult; Price: 30", "Ticket: Child; Price: 0"]);
    }
}
