//! What a call may ask of Anima beside what `OpenAI`'s API has: `anima` in its body.

use std::sync::Arc;

use serde_json::Value;

use super::{
    super::{answers::Asked, parameters::Parameters},
    HttpError,
};
use crate::{settings::unknown_name, turn::check::Rule};

/// What it may say.
const KEYS: [&str; 2] = ["check", "knowledge"];

/// What a call asks of Anima.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Beside {
    check: Option<Rule>,
    /// What its answer may rest on, and is held against.
    knowledge: Option<Vec<String>>,
}

impl Beside {
    /// Reads it; `None` where nothing is asked for.
    pub(super) fn read(parameters: &mut Parameters) -> Result<Option<Self>, HttpError> {
        let Some(wanted) = parameters.any("anima") else { return Ok(None) };
        let Value::Object(wanted) = wanted else {
            return Err(HttpError::wrong_type("anima", "an object"));
        };
        let mut beside = Self::default();
        for (key, value) in wanted {
            match (key.as_str(), value) {
                (key, Value::Null) if KEYS.contains(&key) => {}
                ("check", Value::String(name)) => beside.check = Some(rule(&name)?),
                ("check", _) => return Err(HttpError::wrong_type("anima.check", "a text")),
                ("knowledge", value) => beside.knowledge = Some(texts(value)?),
                (key, _) => {
                    let message = unknown_name("key", key, KEYS.into_iter());
                    return Err(HttpError::parameter("anima", message));
                }
            }
        }
        Ok(Some(beside))
    }

    /// Lets an answer be as it is asked for.
    ///
    /// # Errors
    /// When it cannot be, with what can.
    pub(super) fn apply(self, asked: &mut Asked) -> Result<(), HttpError> {
        let knowledge = self.knowledge.unwrap_or_default();
        match asked {
            Asked::Provider(relay) => match self.check {
                Some(rule) if rule.is_off() => {}
                Some(rule) if rule == Rule::default() => {
                    relay.checked_by = Some(Arc::new(knowledge));
                }
                Some(rule) => return Err(changes(rule)),
                None if knowledge.is_empty() => {}
                None => {
                    let message = "the answer of a provider is held against knowledge, which is no part \
                        of what it is asked: set anima.check to annotate, or name a persona";
                    return Err(HttpError::parameter("anima.knowledge", message));
                }
            },
            Asked::Persona(_) if self.check.is_some() => {
                let message = "what a persona says is checked as its file says: leave anima.check out, \
                    or name a provider";
                return Err(HttpError::unsupported("anima.check", message));
            }
            // It is the first that the persona may rest on.
            Asked::Persona(job) => drop(job.turn.context.knowledge.splice(..0, knowledge)),
        }
        Ok(())
    }
}

fn rule(name: &str) -> Result<Rule, HttpError> {
    let unknown = || unknown_name("check", name, ["annotate", "off"].into_iter());
    Rule::of(name).ok_or_else(|| HttpError::parameter("anima.check", unknown()))
}

fn changes(rule: Rule) -> HttpError {
    let message = format!(
        "the check {rule} may change what is said, and an answer that is passed through is told as it \
         comes: ask for annotate, or name a persona whose check is {rule}"
    );
    HttpError::unsupported("anima.check", message)
}

fn texts(value: Value) -> Result<Vec<String>, HttpError> {
    let wrong = || HttpError::wrong_type("anima.knowledge", "a list of texts");
    let Value::Array(values) = value else { return Err(wrong()) };
    let texts = values.into_iter().map(|value| match value {
        Value::String(text) => Ok(text),
        _ => Err(wrong()),
    });
    texts.collect()
}
