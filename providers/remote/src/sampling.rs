//! Which sampling fields go out.

use std::collections::BTreeSet;

use anima_provider::Sampling;
use serde_json::{Map, Value, json};

/// Puts the fields of `sampling` into a body: those that are set, that `omit` does not name, and
/// that `names` has a name for.
pub(crate) fn put(
    body: &mut Map<String, Value>,
    sampling: &Sampling,
    omit: &BTreeSet<String>,
    names: &[(&str, &str)],
    most_stops: usize,
) {
    // The first ones are the request's own.
    let stop = &sampling.stop[..sampling.stop.len().min(most_stops)];
    let fields = [
        ("temperature", sampling.temperature.map(Value::from)),
        ("top_p", sampling.top_p.map(Value::from)),
        ("top_k", sampling.top_k.map(Value::from)),
        ("min_p", sampling.min_p.map(Value::from)),
        ("repetition_penalty", sampling.repetition_penalty.map(Value::from)),
        ("frequency_penalty", sampling.frequency_penalty.map(Value::from)),
        ("presence_penalty", sampling.presence_penalty.map(Value::from)),
        ("max_tokens", sampling.max_tokens.map(Value::from)),
        ("stop", (!stop.is_empty()).then(|| json!(stop))),
    ];
    for (field, value) in fields {
        let name = names.iter().find(|(known, _)| *known == field);
        if let (Some((_, name)), Some(value)) = (name, value)
            && !omit.contains(field)
        {
            body.insert((*name).to_owned(), value);
        }
    }
}
