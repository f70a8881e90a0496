//! Functions that a model may call: what it is offered, and what it calls.

use serde::Serialize;
use serde_json::Value;

/// A function that is offered to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does, in words for the model.
    pub description: Option<String>,
    /// A JSON schema of its arguments; none means that it takes none.
    pub parameters: Option<Value>,
    /// Whether the arguments have to fit the schema, where the caller says.
    pub strict: Option<bool>,
}

/// Whether a model calls a function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    #[default]
    Auto,
    /// It calls none.
    None,
    /// It calls one or more.
    Required,
    /// It calls the one of this name.
    Named(String),
}

/// A function that a model called earlier in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// What its result refers to.
    pub id: String,
    /// The function's name.
    pub name: String,
    /// The arguments, as the JSON text that the model wrote.
    pub arguments: String,
}

/// A piece of a call that a model is making.
///
/// The first piece of a call has its id and its name; the arguments of all its pieces joined are
/// the JSON text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ToolDelta {
    /// Which of the answer's calls, from 0.
    pub index: u32,
    /// The call's id, in its first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The function's name, in the call's first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// More of the arguments; may be empty.
    pub arguments: String,
}
