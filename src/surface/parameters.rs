//! The parameters of a call by name, each asked for with its type and its range.

use serde_json::{Map, Value};

use super::error::HttpError;

/// Most stop strings of a call.
const MOST_STOPS: usize = 4;

/// The parameters of a call that are not `null`.
#[derive(Debug, Default)]
pub(super) struct Parameters(Map<String, Value>);

impl Parameters {
    /// Keeps a parameter; `null` is the same as none.
    pub(super) fn put(&mut self, name: String, value: Value) {
        if value.is_null() {
            self.0.remove(&name);
        } else {
            self.0.insert(name, value);
        }
    }

    /// A parameter of any type.
    pub(super) fn any(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// A parameter that is a text.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, HttpError> {
        match self.any(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(HttpError::wrong_type(name, "a text")),
        }
    }

    /// A parameter that is `true` or `false`.
    pub(super) fn truth(&mut self, name: &str) -> Result<Option<bool>, HttpError> {
        match self.any(name) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(truth)),
            Some(_) => Err(HttpError::wrong_type(name, "true or false")),
        }
    }

    /// A parameter that is a whole number in a range.
    pub(super) fn whole(
        &mut self,
        name: &str,
        least: i64,
        most: i64,
    ) -> Result<Option<i64>, HttpError> {
        let Some(value) = self.any(name) else { return Ok(None) };
        let number = value.as_i64();
        // What is larger than any of these numbers is as good as the largest.
        let number = number.or_else(|| value.as_u64().map(|_| i64::MAX));
        let number = number.ok_or_else(|| HttpError::wrong_type(name, "a whole number"))?;
        if (least..=most).contains(&number) {
            return Ok(Some(number));
        }
        let range = match most {
            i64::MAX => format!("at least {least}"),
            most => format!("{least} to {most}"),
        };
        Err(HttpError::parameter(name, format!("{name} must be {range}")))
    }

    /// A parameter that is a number.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, HttpError> {
        match self.any(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(number.as_f64()),
            Some(_) => Err(HttpError::wrong_type(name, "a number")),
        }
    }

    /// The texts at which an answer ends: one, or up to four in a list.
    pub(super) fn stop(&mut self) -> Result<Vec<String>, HttpError> {
        let wrong = || HttpError::wrong_type("stop", "a text or a list of texts");
        let texts = match self.any("stop") {
            None => Vec::new(),
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(texts)) => {
                let texts = texts.into_iter().map(|text| match text {
                    Value::String(text) => Ok(text),
                    _ => Err(wrong()),
                });
                texts.collect::<Result<_, _>>()?
            }
            Some(_) => return Err(wrong()),
        };
        if texts.len() > MOST_STOPS {
            return Err(HttpError::parameter("stop", "stop must be at most 4 texts"));
        }
        Ok(texts)
    }
}
