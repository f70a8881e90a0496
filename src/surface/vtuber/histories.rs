//! What a visitor said before: their sessions, as the client lists and shows them.

use serde_json::{Value, json};

use super::visitor::Visitor;
use crate::{
    history::{Exchange, HistoryError, HistoryStore},
    turn::{Task, Tenant},
};

/// Sessions that are looked through for those of a visitor, the one last used first.
const LOOKED_THROUGH: usize = 1000;
/// Sessions read at a time.
const PAGE: usize = 200;
/// Most sessions of one list.
const MOST: usize = 30;
/// Most exchanges that are shown of a session.
pub(super) const MOST_EXCHANGES: usize = 200;
/// Most bytes of what is shown of a session.
const MOST_BYTES: usize = 256 * 1024;

/// Whose sessions are looked for.
pub(super) struct Whose<'talk> {
    pub(super) tenant: &'talk Tenant,
    pub(super) visitor: &'talk Visitor,
    pub(super) persona: &'talk str,
}

/// The sessions of a visitor with a persona, the one last used first.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn list(
    store: &dyn HistoryStore,
    whose: &Whose<'_>,
    hidden: Option<&str>,
) -> Result<Vec<Value>, HistoryError> {
    let mut histories = Vec::new();
    for skip in (0..LOOKED_THROUGH).step_by(PAGE) {
        let page = store.list(whose.tenant, skip, PAGE).await?;
        let is_last = page.len() < PAGE;
        for record in page {
            let is_with = record.settings.persona.as_deref() == Some(whose.persona);
            if !(is_with && whose.visitor.owns(&record.id)) {
                continue;
            }
            let latest = store.recent(&record.id, 1).await?;
            let latest =
                latest.iter().flat_map(|exchange| messages(exchange, "", "", hidden)).last();
            let Some(latest) = latest else { continue };
            histories.push(json!({ "uid": record.id, "latest_message": latest,
                "timestamp": record.updated_at.to_string() }));
            if histories.len() == MOST {
                return Ok(histories);
            }
        }
        if is_last {
            break;
        }
    }
    Ok(histories)
}

/// What was said, as the client shows it: the newest of it, if all of it is too much.
pub(super) fn shown(
    exchanges: &[Exchange],
    name: &str,
    avatar: &str,
    hidden: Option<&str>,
) -> Vec<Value> {
    let mut bytes = 0;
    let newest = exchanges.iter().rev().map(|exchange| messages(exchange, name, avatar, hidden));
    let mut shown: Vec<_> = newest
        .take_while(|messages| {
            bytes += messages.iter().map(|message| message.to_string().len()).sum::<usize>();
            bytes <= MOST_BYTES
        })
        .collect();
    shown.reverse();
    shown.concat()
}

/// An exchange as the client shows it: what was said, and what was heard of the answer. What is said in
/// the visitor's place (`hidden`) was not said by them.
fn messages(exchange: &Exchange, name: &str, avatar: &str, hidden: Option<&str>) -> Vec<Value> {
    let mut messages = Vec::new();
    let time = exchange.asked_at.to_string();
    if let Task::Answer { said, .. } = &exchange.task
        && hidden != Some(said.as_str())
    {
        messages.push(json!({ "role": "human", "timestamp": time, "content": said }));
    }
    let heard = exchange.heard();
    if !heard.is_empty() {
        messages.push(json!({ "role": "ai", "timestamp": time, "content": heard, "name": name,
            "avatar": avatar }));
    }
    messages
}
