//! What the answers of a turn are held against: everything that is known in it, gathered once.

use anima_check::{Triage, sentences, triage};

use super::Job;
use crate::turn::{
    check::Grounds,
    knowledge::{Passage, brought},
    prompt::{Language, Persona},
};

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
        let said = exchange.said.as_str();
        let stated = sentences(said).into_iter().filter_map(|range| said.get(range));
        let stated: Vec<_> =
            stated.filter(|sentence| triage(sentence) == Triage::Checkable).collect();
        let source = format!("conversation:{}", back + 1);
        (!stated.is_empty()).then(|| Passage { source, text: stated.join("\n") })
    })
}
