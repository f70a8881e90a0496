//! Reading what the scripts answer, and writing what they keep without reading it.

use jiff::Timestamp;
use redis::{FromRedisValue, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::Fault;
use crate::history::{Exchange, ExchangeState, SessionRecord};
use crate::turn::{SessionId, TurnId};

/// A value as JSON on one line.
pub(super) fn encode(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::Unusable(error.to_string()))
}

/// The reverse of [`encode`].
pub(super) fn decode<T: DeserializeOwned>(what: &str, json: &str) -> Result<T, Fault> {
    serde_json::from_str(json).map_err(|_| Fault::Damaged(format!("{what} cannot be read")))
}

/// A state by the name that the scripts know.
pub(super) fn state_name(state: ExchangeState) -> &'static str {
    match state {
        ExchangeState::Running => "running",
        ExchangeState::Finished => "finished",
        ExchangeState::Failed => "failed",
        ExchangeState::Incomplete => "incomplete",
    }
}

fn state(name: &str) -> Result<ExchangeState, Fault> {
    use ExchangeState::{Failed, Finished, Incomplete, Running};
    [Running, Finished, Failed, Incomplete]
        .into_iter()
        .find(|state| state_name(*state) == name)
        .ok_or_else(|| Fault::Damaged("an exchange of an unknown state".to_owned()))
}

/// The parts of an answer, to be taken one after the other.
pub(super) struct Parts(std::vec::IntoIter<Value>);

impl Parts {
    /// The parts of a list.
    pub(super) fn of(value: Value) -> Result<Self, Fault> {
        match value {
            Value::Array(parts) => Ok(Self(parts.into_iter())),
            _ => Err(Fault::reply("parts")),
        }
    }

    pub(super) fn next<T: FromRedisValue>(&mut self, what: &str) -> Result<T, Fault> {
        let value = self.0.next().ok_or_else(|| Fault::reply(what))?;
        redis::from_redis_value(value).map_err(|_| Fault::reply(what))
    }

    /// A part that was written as text, since it may be greater than a script's numbers.
    pub(super) fn number<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, Fault> {
        self.next::<String>(what)?.parse().map_err(|_| Fault::reply(what))
    }

    /// A time in microseconds.
    pub(super) fn time(&mut self, what: &str) -> Result<Timestamp, Fault> {
        Timestamp::from_microsecond(self.number(what)?).map_err(|_| Fault::reply(what))
    }

    /// The parts of what comes next.
    pub(super) fn parts(&mut self, what: &str) -> Result<Self, Fault> {
        Self::of(self.0.next().ok_or_else(|| Fault::reply(what))?)
    }

    /// A list of exchanges.
    pub(super) fn exchanges(&mut self) -> Result<Vec<Exchange>, Fault> {
        self.parts("exchanges")?.0.map(|parts| Self::of(parts)?.exchange()).collect()
    }

    /// An exchange, as `joined` in `session.lua` gives it.
    pub(super) fn exchange(mut self) -> Result<Exchange, Fault> {
        let position = self.next("position")?;
        let turn: String = self.next("turn")?;
        let what = |part: &str| format!("{part} of exchange {position}");
        Ok(Exchange {
            position,
            turn: TurnId::parse(turn).map_err(|_| Fault::Damaged(what("the turn")))?,
            state: state(&self.next::<String>("state")?)?,
            asked_at: self.time("time")?,
            heard: decode(&what("what was heard"), &self.next::<String>("heard")?)?,
            answer: decode(&what("the answer"), &self.next::<String>("answer")?)?,
            options: decode(&what("the options"), &self.next::<String>("options")?)?,
            task: decode(&what("the task"), &self.next::<String>("task")?)?,
        })
    }

    /// What people see of a session, as `record` in `session.lua` gives it.
    pub(super) fn record(mut self, session: &SessionId) -> Result<SessionRecord, Fault> {
        Ok(SessionRecord {
            id: session.clone(),
            title: self.next("title")?,
            created_at: self.time("creation")?,
            updated_at: self.time("last use")?,
            exchanges: self.number("count")?,
            settings: decode("the settings of a session", &self.next::<String>("settings")?)?,
        })
    }
}
