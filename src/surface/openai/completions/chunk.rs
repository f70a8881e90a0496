//! Writes the pieces of texts that are streamed.

use actix_web::web::Bytes;
use anima_provider::{TokenLogprob, ToolDelta, Usage};
use serde_json::{Value, json};

use super::{
    super::{
        HttpError,
        chunk::{ChunkBuffer, cost},
        stream::{End, Writer},
    },
    likelihood::Likelihoods,
};

/// Writes each piece as an object of its own.
pub(super) struct TextWriter {
    id: String,
    created: i64,
    with_usage: bool,
    /// What the answers to each question begin with, and how many there are to each.
    echoes: (Vec<String>, u32),
    model: String,
    likelihoods: Likelihoods,
    buffer: ChunkBuffer,
}

impl TextWriter {
    pub(super) fn new(
        id: String,
        created: i64,
        with_usage: bool,
        echoes: (Vec<String>, u32),
    ) -> Self {
        let (model, likelihoods) = (String::new(), Likelihoods::default());
        let buffer = ChunkBuffer::default();
        Self { id, created, with_usage, echoes, model, likelihoods, buffer }
    }

    fn write(&mut self, choices: &Value, usage: Option<Value>) {
        let mut chunk = json!({ "id": self.id, "object": "text_completion",
            "created": self.created, "model": self.model, "choices": choices });
        if self.with_usage {
            chunk["usage"] = usage.unwrap_or_default();
        }
        self.buffer.data(&chunk);
    }

    fn piece(&mut self, choice: u32, text: &str, tokens: &[TokenLogprob], end: Option<End<'_>>) {
        let logprobs = self.likelihoods.take(tokens);
        let reason = end.map(|end| end.reason);
        let mut choice =
            json!({ "index": choice, "text": text, "logprobs": logprobs, "finish_reason": reason });
        if let Some(check) = end.and_then(|end| end.check) {
            choice["anima"] = check.clone();
        }
        self.write(&json!([choice]), None);
    }
}

impl Writer for TextWriter {
    fn begin(&mut self, choice: u32, model: &str) {
        model.clone_into(&mut self.model);
        self.likelihoods = Likelihoods::default();
        let (echoes, each) = &self.echoes;
        let question = usize::try_from(choice / (*each).max(1)).unwrap_or(usize::MAX);
        if let Some(echo) = echoes.get(question).cloned() {
            self.piece(choice, &echo, &[], None);
        }
    }

    fn text(&mut self, choice: u32, text: &str, logprobs: &[TokenLogprob]) {
        self.piece(choice, text, logprobs, None);
    }

    /// It has no place in a text.
    fn reasoning(&mut self, _: u32, _: &str) {}

    /// Nobody offers functions here.
    fn tool(&mut self, _: u32, _: &ToolDelta) {}

    fn finish(&mut self, choice: u32, end: End<'_>, logprobs: &[TokenLogprob]) {
        self.piece(choice, "", logprobs, Some(end));
    }

    fn done(&mut self, usage: Option<Usage>) {
        if let Some(usage) = usage.filter(|_| self.with_usage) {
            self.write(&json!([]), Some(cost(usage)));
        }
        self.buffer.end();
    }

    fn error(&mut self, error: &HttpError) {
        self.buffer.data(&error.body());
    }

    fn wait(&mut self) {
        self.buffer.wait();
    }

    fn len(&self) -> usize {
        self.buffer.len()
    }

    fn take(&mut self) -> Bytes {
        self.buffer.take()
    }
}
