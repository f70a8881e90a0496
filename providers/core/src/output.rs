//! What form an answer has.

use serde_json::Value;

/// What form an answer has. Whatever is not [`Output::Text`] binds the model while it answers, so
/// that nothing else can come out but for an end at the token limit.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Output {
    /// Any text.
    #[default]
    Text,
    /// A JSON object.
    JsonObject,
    /// JSON that fits a schema.
    JsonSchema(Schema),
    /// A text that a regular expression fits as a whole.
    Regex(String),
}

/// A JSON schema that an answer has to fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// What the caller calls it: letters, digits, `_` and `-`.
    pub name: String,
    /// What it is for, in words for the model.
    pub description: Option<String>,
    /// The schema.
    pub schema: Value,
    /// Whether a server has to refuse what it cannot hold the model to.
    pub strict: bool,
}

/// The forms that a provider can bind its model to, beside plain text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutputKinds {
    /// [`Output::JsonObject`].
    pub json_object: bool,
    /// [`Output::JsonSchema`].
    pub json_schema: bool,
    /// [`Output::Regex`].
    pub regex: bool,
}

impl OutputKinds {
    /// What of `output` is not among these, in words for people.
    pub(crate) fn lacks(self, output: &Output) -> Option<&'static str> {
        match output {
            Output::Text => None,
            Output::JsonObject => (!self.json_object).then_some("answers that are JSON"),
            Output::JsonSchema(_) => {
                (!self.json_schema).then_some("answers that fit a JSON schema")
            }
            Output::Regex(_) => (!self.regex).then_some("answers that fit a regular expression"),
        }
    }
}
