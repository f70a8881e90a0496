//! What the answers of a turn are held against: everything that is known in it, gathered once.

use anima_check::{Triage, sentences, triage};
use anima_provider::{Input, Role};

use super::Job;
use crate::turn::{
    check::{Grounds, Rule},
    knowledge::{Passage, brought},
    prompt::{Language, Persona},
};

/// Most bytes of a call's evidence: to index so many takes some milliseconds.
const MOST: usize = 256 * 1024;

/// What is known in a turn, the strongest first: what the caller brought along, what the persona's
/// knowledge has (`retrieved`; `None` where it has none), who the persona is, and what the person said
/// before.
///
/// What the digital human said itself is not among it: a mistake that it repeats would count as borne
/// out. Neither is the question, nor what the person asked before, for a question states nothing.
pub(super) fn grounds(persona: &Persona, job: &Job, retrieved: Option<&[Passage]>) -> Grounds {
    let said = job.turn.task.text();
    let knowledge = &job.turn.context.knowledge;
    // That knowledge was searched and nothing was found means something, too.
    let grounded = !knowledge.is_empty() || retrieved.is_some();
    let retrieved = retrieved.unwrap_or_default();
    let language: Language = persona.language.resolve(said);
    let facts = Passage { source: "persona".to_owned(), text: persona.system(language).to_owned() };
    let passages = brought(knowledge)
        .chain(retrieved.iter().cloned())
        .chain([facts])
        .chain(conversation(job))
        .collect();
    Grounds::new(persona.check, said, passages, grounded)
}

/// What the person stated before; `conversation:1` is what was said last.
fn conversation(job: &Job) -> impl Iterator<Item = Passage> + '_ {
    job.earlier.iter().rev().enumerate().filter_map(|(back, exchange)| {
        let source = format!("conversation:{}", back + 1);
        let text = sentences_that(&exchange.said, |triage| triage == Triage::Checkable);
        (!text.is_empty()).then_some(Passage { source, text })
    })
}

/// What the answer to a call that is passed through is held against: the `knowledge` that came with it,
/// what its system messages and tools say, and what the person states in it (`messages[3]`), the newest
/// first. What the assistant said is not among it.
///
/// A system message may tell the model how to speak and know nothing, so only the silence of knowledge or
/// of a tool means that something is not borne out.
pub(super) fn of_call(input: &Input, knowledge: &[String]) -> Grounds {
    let (system, messages) = match input {
        Input::Chat { system, messages } => (system.as_deref(), messages.as_slice()),
        Input::Text { .. } => (None, [].as_slice()),
    };
    let source = |index: usize| format!("messages[{}]", index + usize::from(system.is_some()));
    let told = messages.iter().enumerate().rev();
    let given =
        told.clone().filter(|(_, message)| matches!(message.role, Role::System | Role::Tool));
    let given = given.map(|(index, message)| (source(index), message.text.clone()));
    let first = system.map(|text| ("messages[0]".to_owned(), text.to_owned()));
    let said = told.clone().filter(|(_, message)| message.role == Role::User);
    let stated = said.clone().map(|(index, message)| {
        (source(index), sentences_that(&message.text, |triage| triage == Triage::Checkable))
    });
    let question = said.map(|(_, message)| message.text.as_str()).next().unwrap_or_default();
    let asked = sentences_that(question, |triage| triage != Triage::Checkable);
    let question = if asked.is_empty() { question } else { &asked };
    let is_known = |text: &str| !text.trim().is_empty();
    let grounded = knowledge.iter().any(|text| is_known(text))
        || messages.iter().any(|message| message.role == Role::Tool && is_known(&message.text));
    let called = given.chain(first).chain(stated).map(|(source, text)| Passage { source, text });
    let passages = first_bytes(brought(knowledge).chain(called), MOST);
    Grounds::new(Rule::default(), question, passages, grounded)
}

/// The sentences of a text that this is so of, a line each.
fn sentences_that(text: &str, wanted: impl Fn(Triage) -> bool) -> String {
    let all = sentences(text).into_iter().filter_map(|range| text.get(range));
    all.filter(|sentence| wanted(triage(sentence))).collect::<Vec<_>>().join("\n")
}

/// The first passages that say something, as far as they have so many bytes together.
fn first_bytes(passages: impl Iterator<Item = Passage>, most: usize) -> Vec<Passage> {
    let mut left = most;
    let mut kept = Vec::new();
    for mut passage in passages.filter(|passage| !passage.text.is_empty()) {
        let (whole, end) = (passage.text.len(), passage.text.floor_char_boundary(left));
        passage.text.truncate(end);
        left -= end;
        if end > 0 {
            kept.push(passage);
        }
        if end < whole {
            break;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use anima_provider::Message;

    use super::*;

    #[test]
    fn evidence_is_bounded_and_cut_between_characters() {
        let passage = |text: &str| Passage { source: String::new(), text: text.to_owned() };
        let texts = |most| -> Vec<String> {
            let passages = ["茶馆", "", "abc"].map(passage).into_iter();
            first_bytes(passages, most).into_iter().map(|passage| passage.text).collect()
        };
        assert_eq!(texts(100), ["茶馆", "abc"]);
        assert_eq!(texts(8), ["茶馆", "ab"]);
        assert_eq!(texts(6), ["茶馆"]);
        assert_eq!(texts(4), ["茶"]);
        assert!(texts(2).is_empty());
    }

    #[test]
    fn only_knowledge_and_tools_make_silence_mean_something() {
        let call = |role| Input::Chat {
            system: Some("Be brief.".to_owned()),
            messages: vec![Message::new(role, "The tea house has 12 rooms.".to_owned())],
        };
        assert!(!of_call(&call(Role::User), &[]).is_grounded());
        assert!(!of_call(&call(Role::System), &[String::new()]).is_grounded());
        assert!(of_call(&call(Role::User), &["It is blue.".to_owned()]).is_grounded());
        assert!(of_call(&call(Role::Tool), &[]).is_grounded());
    }
}
