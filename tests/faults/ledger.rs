//! What a client was told in one session, and whether the service kept it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{book, socket};

/// A turn as its client knows it.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) id: String,
    pub(crate) said: String,
    /// An `accepted` has come for it.
    pub(crate) accepted: bool,
    /// The `seq` of its `accepted`; a turn that is joined is told from there once more.
    accepted_at: u64,
    /// It is being told: an `accepted` has come, and no end yet.
    pub(crate) telling: bool,
    /// The sentences told last.
    told: String,
    /// Its text and the reason of its end.
    pub(crate) ended: Option<(String, String)>,
    /// Where the store has it.
    position: Option<u64>,
}

/// What must not happen, with every case.
#[derive(Debug, Default)]
pub(crate) struct Broken {
    /// Accepted and not there.
    pub(crate) lost: Vec<String>,
    /// There more than once, or never said.
    pub(crate) doubled: Vec<String>,
    /// In another order than accepted, or not where it was before.
    pub(crate) reordered: Vec<String>,
    /// Other words or another answer than the client was told.
    pub(crate) changed: Vec<String>,
    /// Ended without having been accepted, or twice; or a `seq` that did not rise.
    pub(crate) told_wrongly: Vec<String>,
}

/// One session as its client knows it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// In the order of their acceptance.
    pub(crate) turns: Vec<Turn>,
    pub(crate) broken: Broken,
    /// Stored answers that were told again.
    pub(crate) replays: usize,
    /// Running turns that were told from their `accepted` once more.
    pub(crate) joins: usize,
    /// Turns that were accepted once more, since they had not ended.
    pub(crate) reruns: usize,
    /// Turns that the store had without an end.
    pub(crate) incomplete: usize,
    pub(crate) last_seq: u64,
}

impl Ledger {
    /// A new turn that is about to be sent.
    pub(crate) fn say(&mut self, id: String, said: String) -> usize {
        self.turns.push(Turn {
            id,
            said,
            accepted: false,
            accepted_at: 0,
            telling: false,
            told: String::new(),
            ended: None,
            position: None,
        });
        self.turns.len() - 1
    }

    /// The number of turns that are being told.
    pub(crate) fn telling(&self) -> usize {
        self.turns.iter().filter(|turn| turn.telling).count()
    }

    /// Turns whose end the client does not know.
    pub(crate) fn open_ends(&self) -> Vec<usize> {
        let open = |at: &usize| self.turns[*at].ended.is_none() && !self.turns[*at].telling;
        (0..self.turns.len()).filter(open).collect()
    }

    /// The connection has ended.
    pub(crate) fn cut(&mut self) {
        self.turns.iter_mut().for_each(|turn| turn.telling = false);
    }

    /// Takes note of a frame; those that belong to no turn say nothing here.
    pub(crate) fn hear(&mut self, frame: &Value) {
        let Some(seq) = frame["seq"].as_u64() else { return };
        let Broken { told_wrongly, changed, .. } = &mut self.broken;
        let Some(turn) = self.turns.iter_mut().find(|turn| frame["turn"] == *turn.id) else {
            return told_wrongly.push(format!("nobody asked for {frame}"));
        };
        let joined = frame["type"] == "accepted" && turn.accepted_at == seq;
        if seq <= self.last_seq && !joined {
            told_wrongly.push(format!("seq {seq} after {}", self.last_seq));
        }
        self.last_seq = seq;
        match frame["type"].as_str() {
            Some("accepted") if joined => {
                self.joins += 1;
                turn.telling = true;
                turn.told.clear();
            }
            Some("accepted") => {
                if turn.telling {
                    told_wrongly.push(format!("{} accepted before its end", turn.id));
                }
                if frame["replay"] == true {
                    self.replays += 1;
                } else if turn.ended.is_some() {
                    told_wrongly.push(format!("{} had ended and ran again", turn.id));
                } else if turn.accepted {
                    self.reruns += 1;
                }
                (turn.accepted, turn.telling, turn.accepted_at) = (true, true, seq);
                turn.told.clear();
            }
            Some("sentence") => turn.told.push_str(frame["text"].as_str().unwrap()),
            _ if socket::is_end(frame) && !turn.telling => {
                told_wrongly.push(format!("{} ended twice", turn.id));
            }
            Some("failed") => turn.telling = false,
            Some("finished") => {
                turn.telling = false;
                let field = |name: &str| frame[name].as_str().unwrap().to_owned();
                let end = (field("text"), field("reason"));
                let whole = end.1 != "complete" || end.0 == book::answer(&turn.said);
                let same = turn.ended.as_ref().is_none_or(|before| *before == end);
                if end.0 != turn.told || !whole || !same {
                    changed.push(format!("{}: told {:?}, then {frame}", turn.id, turn.told));
                }
                turn.ended = Some(end);
            }
            _ => {}
        }
    }

    /// Compares what the store has with what the client was told. Turns that were sent, and neither
    /// accepted nor kept, are forgotten.
    pub(crate) fn check(&mut self, exchanges: &[Value]) {
        let Broken { lost, doubled, reordered, changed, .. } = &mut self.broken;
        let mut seen = BTreeSet::new();
        let mut before = None;
        for exchange in exchanges {
            let id = exchange["turn"].as_str().unwrap();
            let known = self.turns.iter().position(|turn| turn.id == id);
            let Some(at) = known.filter(|at| seen.insert(*at)) else {
                doubled.push(exchange.to_string());
                continue;
            };
            let place = (at, exchange["position"].as_u64().unwrap());
            let turn = &mut self.turns[at];
            let in_order = before.is_none_or(|(at, position)| at < place.0 && position < place.1);
            if !in_order || turn.position.is_some_and(|position| position != place.1) {
                reordered.push(format!("{before:?} is before {exchange}"));
            }
            before = Some(place);
            turn.position = Some(place.1);
            if exchange["state"] == "incomplete" || exchange["state"] == "running" {
                self.incomplete += 1;
            }
            if !turn.is_kept_as(exchange) {
                changed.push(format!("{turn:?} is kept as {exchange}"));
                turn.ended = None;
                turn.told.clear();
            }
        }
        let mut at = 0;
        self.turns.retain(|turn| {
            at += 1;
            let kept = seen.contains(&(at - 1));
            if turn.accepted && !kept {
                lost.push(format!("{turn:?}"));
            }
            turn.accepted || kept
        });
    }
}

impl Turn {
    /// Whether the store agrees with what the client was told.
    fn is_kept_as(&self, exchange: &Value) -> bool {
        let text = exchange["text"].as_str().unwrap_or_default();
        let complete = exchange["reason"] == "complete";
        let agrees = match &self.ended {
            Some((told, reason)) => {
                exchange["state"] == "finished" && text == told && exchange["reason"] == *reason
            }
            // It may have ended without the client's having heard of it.
            None if exchange["state"] == "finished" => {
                text.starts_with(&self.told) && (!complete || text == book::answer(&self.said))
            }
            None => true,
        };
        let sentences = exchange["sentences"].as_array().unwrap().iter();
        let joined: String = sentences.map(|sentence| sentence["text"].as_str().unwrap()).collect();
        agrees && exchange["said"] == json!(self.said) && (text.is_empty() || joined == text)
    }
}
