//! Opening a turn: what the script is told, and what it answers.

use std::time::Duration;

use super::RedisStore;
use super::call::{BEGIN, Call};
use super::fault::Fault;
use super::rows::{Parts, decode, encode, state_name};
use crate::history::rules::{state_after, takes_the_place, title_of};
use crate::history::{Answer, Begun, Fence, NewTurn, Opened, Replaces};
use crate::turn::{SessionId, Task};

/// A name for nothing; no id is like it.
const NOTHING: &str = "*";

impl RedisStore {
    /// Does [`crate::history::HistoryStore::begin`].
    pub(super) async fn open_turn(
        &self,
        session: &SessionId,
        turn: &NewTurn,
    ) -> Result<Begun, Fault> {
        let answer = self.run(self.begin_call(session, turn)?).await?;
        let mut parts = Parts::of(answer)?;
        Ok(match parts.next::<String>("outcome")?.as_str() {
            "new" => Begun::New(Box::new(self.opened(session, parts)?)),
            "replay" => Begun::Replay(Box::new(parts.parts("exchange")?.exchange()?)),
            "running" => Begun::Running,
            "elsewhere" => {
                Begun::Elsewhere { wait: Duration::from_millis(parts.next("remaining lease")?) }
            }
            "conflict" => Begun::Conflict,
            "nothing" => Begun::NothingToReplace,
            _ => return Err(Fault::reply("outcome")),
        })
    }

    fn begin_call(&self, session: &SessionId, turn: &NewTurn) -> Result<Call, Fault> {
        let task = turn.task.as_ref();
        let call = Call::new(&BEGIN, &self.keys, session)
            .with("turn", turn.id.as_str())
            .with("kind", task.map_or(NOTHING, kind))
            .with("task", task.map(encode).transpose()?.unwrap_or_default())
            .with("title", task.map(|task| title_of(task.text())).unwrap_or_default())
            .with("options", encode(&turn.options)?)
            .with("replaces", replaces_name(turn.replaces))
            .with("recent", turn.recent)
            .with("settings", encode(&turn.settings)?)
            .flag("here", turn.running_here)
            .with("owner", &self.owner)
            .with("lease", self.lease_us())
            .with("ttl", self.ttl.as_secs())
            .with("max_exchanges", self.max_exchanges);
        let call = ending(call, "nothing_", &Answer::default(), None)?;
        settlement(call, turn)
    }

    fn opened(&self, session: &SessionId, mut parts: Parts) -> Result<Opened, Fault> {
        let position = parts.next("position")?;
        let task = decode("the task of a turn", &parts.next::<String>("task")?)?;
        let settings = decode("the settings of a session", &parts.next::<String>("settings")?)?;
        let number = parts.number("fence")?;
        self.index.note(session, parts.number("last use")?);
        let recent = parts.exchanges()?;
        let fence = Fence { session: session.clone(), number };
        Ok(Opened { position, task, recent, settings, fence })
    }
}

/// How the last exchange stands, as the caller knows it.
fn settlement(call: Call, turn: &NewTurn) -> Result<Call, Fault> {
    let settled = turn.settles.as_ref();
    let fence = settled.and_then(|settled| settled.fence);
    let call = call
        .with("settled", settled.map_or(NOTHING, |settled| settled.turn.as_str()))
        .with("settled_fence", fence.map_or(NOTHING.to_owned(), |fence| fence.to_string()));
    let heard = settled.and_then(|settled| settled.heard.as_deref());
    let running = settled.and_then(|settled| settled.running.as_ref());
    let call = call.flag("settled_running", running.is_some());
    ending(call, "settled_", running.unwrap_or(&Answer::default()), heard)
}

/// Adds what an answer does to the exchange that it ends.
pub(super) fn ending(
    call: Call,
    beginning: &str,
    answer: &Answer,
    heard: Option<&str>,
) -> Result<Call, Fault> {
    Ok(call
        .with(&format!("{beginning}state"), state_name(state_after(answer)))
        .flag(&format!("{beginning}takes"), takes_the_place(answer))
        .with(&format!("{beginning}answer"), encode(answer)?)
        .with(&format!("{beginning}heard"), encode(&heard)?))
}

/// What a task is to the script.
fn kind(task: &Task) -> &'static str {
    match task {
        Task::Answer { .. } => "answer",
        Task::Speak { .. } => "speak",
    }
}

fn replaces_name(replaces: Replaces) -> &'static str {
    match replaces {
        Replaces::Nothing => "nothing",
        Replaces::Last => "last",
    }
}
