//! One method of one path, as it is described.

use serde_json::{Map, Value, json};

/// One method of one path.
pub(super) struct Operation {
    method: &'static str,
    path: &'static str,
    group: &'static str,
    summary: &'static str,
    query: Vec<(&'static str, Value)>,
    body: Option<(Value, bool)>,
    answers: Map<String, Value>,
    server: Option<&'static str>,
}

impl Operation {
    /// A method of a path; `{…}` in it is a parameter.
    pub(super) fn new(
        method: &'static str,
        path: &'static str,
        group: &'static str,
        summary: &'static str,
    ) -> Self {
        let (query, body, answers) = (Vec::new(), None, Map::new());
        Self { method, path, group, summary, query, body, answers, server: None }
    }

    /// It is not where this document is, but for example there.
    pub(super) fn elsewhere(self, server: &'static str) -> Self {
        Self { server: Some(server), ..self }
    }

    /// The path and the method.
    pub(super) fn place(&self) -> (&'static str, &'static str) {
        (self.path, self.method)
    }

    /// It takes a parameter of the query.
    pub(super) fn query(mut self, name: &'static str, schema: Value) -> Self {
        self.query.push((name, schema));
        self
    }

    /// It takes JSON of this schema, whatever its content type.
    pub(super) fn takes(mut self, schema: Value) -> Self {
        self.body = Some((schema, true));
        self
    }

    /// The same where no body means nothing in particular.
    pub(super) fn may_take(mut self, schema: Value) -> Self {
        self.body = Some((schema, false));
        self
    }

    /// It answers with JSON of this schema.
    pub(super) fn gives(self, status: &str, schema: Value) -> Self {
        self.gives_as(status, "application/json", schema)
    }

    /// It answers with something that is called so.
    pub(super) fn gives_as(mut self, status: &str, kind: &str, schema: Value) -> Self {
        let answer = self.answer(status);
        answer["content"][kind]["schema"] = schema;
        self
    }

    /// It answers with no body.
    pub(super) fn gives_nothing(mut self, status: &str) -> Self {
        self.answer(status);
        self
    }

    /// Every other answer, which is an error.
    pub(super) fn fails(mut self, schema: Value) -> Self {
        let mut answer = json!({ "description": "an error" });
        answer["content"]["application/json"]["schema"] = schema;
        self.answers.insert("default".to_owned(), answer);
        self
    }

    fn answer(&mut self, status: &str) -> &mut Value {
        let description = match status {
            "101" => "the connection is a WebSocket from here on",
            "201" => "made",
            "204" => "done",
            "304" => "what the caller has is right",
            "503" => "not now",
            _ => "the answer",
        };
        self.answers.entry(status).or_insert_with(|| json!({ "description": description }))
    }

    /// It as the document has it.
    pub(super) fn into_value(self) -> Value {
        let words = self.path.split(|letter: char| !letter.is_ascii_alphanumeric());
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        let name = if words.is_empty() { "root".to_owned() } else { words.join("_") };
        let within = self.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let within = within.map(|name| {
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
        });
        let query = self.query.into_iter().map(|(name, schema)| {
            json!({ "name": name, "in": "query", "required": false, "schema": schema })
        });
        let parameters: Vec<_> = within.chain(query).collect();
        let mut operation = json!({
            "operationId": format!("{}_{name}", self.method),
            "tags": [self.group],
            "summary": self.summary,
            "responses": self.answers,
        });
        if let Some(server) = self.server {
            operation["servers"] = json!([{ "url": server }]);
        }
        if !parameters.is_empty() {
            operation["parameters"] = json!(parameters);
        }
        if let Some((schema, required)) = self.body {
            let content = json!({ "application/json": { "schema": schema } });
            operation["requestBody"] = json!({ "required": required, "content": content });
        }
        operation
    }
}
