//! The schemas of a document, by name.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// Schemas, each with all that it refers to.
#[derive(Default)]
pub(super) struct Schemas(Map<String, Value>);

impl Schemas {
    /// A reference to the schema of `T`, which is there from then on.
    pub(super) fn of<T: ToSchema>(&mut self) -> Value {
        let mut found = Vec::new();
        T::schemas(&mut found);
        found.push((T::name().into_owned(), T::schema()));
        for (name, schema) in found {
            // Everything in a schema is JSON.
            self.0.entry(name).or_insert_with(|| json!(schema));
        }
        json!({ "$ref": format!("#/components/schemas/{}", T::name()) })
    }

    /// All of them.
    pub(super) fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}
