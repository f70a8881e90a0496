//! Putting one JSON object over another.

use serde_json::{Map, Value};

/// Puts `over` on top of `under`: objects are joined, everything else is replaced.
pub(crate) fn merge(under: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        match (under.get_mut(key), value) {
            (Some(Value::Object(under)), Value::Object(over)) => merge(under, over),
            _ => {
                under.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_joined_and_the_rest_is_replaced() {
        let mut under = json!({ "a": { "x": 1, "y": 2 }, "b": [1] });
        let over = json!({ "a": { "y": 3 }, "b": [2], "c": null });
        merge(under.as_object_mut().unwrap(), over.as_object().unwrap());
        assert_eq!(under, json!({ "a": { "x": 1, "y": 3 }, "b": [2], "c": null }));
    }
}
