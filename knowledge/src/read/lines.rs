//! JSON lines: one object a line, a question with its answer or a titled text.

use serde_json::{Map, Value};

use super::{
    Block, Content, one_line,
    table::{ANSWERS, QUESTIONS},
};
use crate::pair::Pair;

const TEXTS: [&str; 5] = ["text", "content", "body", "正文", "内容"];
const TITLES: [&str; 4] = ["title", "heading", "name", "标题"];

/// More lines than these are not complained about one by one.
const MOST_NOTES: usize = 20;

pub(super) fn read(text: &str) -> Content {
    let mut content = Content::default();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (number, line) in lines {
        let problem = match serde_json::from_str::<Map<String, Value>>(line) {
            Ok(object) => add(&object, &mut content).err(),
            Err(_) => Some("is no JSON object"),
        };
        if let Some(problem) = problem
            && content.notes.len() < MOST_NOTES
        {
            content.notes.push(format!("line {} {problem}", number + 1));
        }
    }
    content
}

fn add(object: &Map<String, Value>, content: &mut Content) -> Result<(), &'static str> {
    if let (Some(questions), Some(answer)) = (field(object, &QUESTIONS), field(object, &ANSWERS)) {
        let pair = Pair::of(&joined(questions), &joined(answer));
        content.pairs.push(pair.ok_or("has no question or no answer")?);
        return Ok(());
    }
    let text = field(object, &TEXTS).and_then(Value::as_str).map(str::trim);
    let text = text.filter(|text| !text.is_empty());
    let text = text.ok_or("has neither `text` nor `question` and `answer`")?;
    let title = field(object, &TITLES).and_then(Value::as_str).map(one_line);
    let headings = title.into_iter().filter(|title| !title.is_empty()).collect();
    content.blocks.push(Block { headings, text: text.to_owned() });
    Ok(())
}

fn field<'a>(object: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| object.get(*name))
}

/// A text, or several as lines.
fn joined(value: &Value) -> String {
    match value {
        Value::Array(texts) => {
            texts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
        }
        value => value.as_str().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_pair_or_a_text_and_a_broken_one_is_told() {
        let text = "{\"question\": [\"Who?\", \"Who are you?\"], \"answer\": \"The guide.\"}\n\
            {\"title\": \"House\", \"text\": \"Built in 1890.\"}\n\n{\"x\": 1}\nnonsense\n";
        let content = read(text);
        assert_eq!(content.pairs[0].questions, ["Who?", "Who are you?"]);
        assert_eq!(content.blocks[0].headings, ["House"]);
        assert_eq!(content.notes.len(), 2);
        assert!(content.notes[1].starts_with("line 5"));
    }
}
