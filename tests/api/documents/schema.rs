//! Checks values against JSON schemas, as far as the documents use them.

use serde_json::Value;

/// A document whose parts refer to each other.
pub(crate) struct Document {
    pub(crate) root: Value,
}

impl Document {
    pub(crate) fn new(root: Value) -> Self {
        Self { root }
    }

    /// Checks a value; the error says where it does not fit, and why.
    pub(crate) fn check(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let wrong = |why: &str| Err(format!("{value} {why} {schema}"));
        if let Some(reference) = schema["$ref"].as_str() {
            let target = self.root.pointer(reference.trim_start_matches('#'));
            let target = target.ok_or_else(|| format!("there is no {reference}"))?;
            return self.check(target, value);
        }
        let kinds: Vec<_> = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            kind => kind.as_str().into_iter().collect(),
        };
        if !kinds.is_empty() && !kinds.iter().any(|kind| is_of(value, kind)) {
            return wrong("is not of the type of");
        }
        if schema.get("const").is_some_and(|wanted| wanted != value) {
            return wrong("is not the value of");
        }
        if schema["enum"].as_array().is_some_and(|values| !values.contains(value)) {
            return wrong("is none of the values of");
        }
        let least = schema["minimum"].as_f64();
        if let (Some(least), Some(number)) = (least, value.as_f64())
            && number < least
        {
            return wrong("is too small for");
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.check(part, value)?;
        }
        for choices in [&schema["oneOf"], &schema["anyOf"]] {
            if let Some(choices) = choices.as_array() {
                let checked: Vec<_> =
                    choices.iter().map(|choice| self.check(choice, value)).collect();
                if checked.iter().all(Result::is_err) {
                    return Err(format!("{value} fits no choice: {checked:?}"));
                }
            }
        }
        self.check_fields(schema, value)?;
        for item in value.as_array().into_iter().flatten() {
            if let Some(items) = schema.get("items") {
                self.check(items, item)?;
            }
        }
        Ok(())
    }

    fn check_fields(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let Some(fields) = value.as_object() else { return Ok(()) };
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            if !fields.contains_key(name) {
                return Err(format!("{value} has no {name}"));
            }
        }
        for (name, field) in fields {
            if let Some(property) = schema["properties"].get(name) {
                self.check(property, field).map_err(|problem| format!("{name}: {problem}"))?;
            } else if schema["additionalProperties"] == false {
                return Err(format!("{value} may not have {name}"));
            }
        }
        Ok(())
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    }
}
