//! What is traced of an attempt.

use tracing::{
    Span, debug_span,
    field::{Empty, debug},
};

use super::AttemptError;
use crate::telemetry::trace;

/// What is traced of an attempt: the wait for the provider, and that for the first sentence.
pub(super) struct Spans {
    pub(super) whole: Span,
    queue: Option<Span>,
    pub(super) first: Option<Span>,
}

impl Spans {
    pub(super) fn begin(provider: &str) -> Self {
        let whole =
            debug_span!("attempt", provider.name = provider, model = Empty, error.code = Empty);
        let queue = debug_span!(parent: &whole, "queue");
        Self { whole, queue: Some(queue), first: None }
    }

    pub(super) fn admitted(&mut self, model: &str) {
        self.whole.record("model", model);
        self.queue = None;
        self.first = Some(debug_span!(parent: &self.whole, "first_sentence"));
    }

    pub(super) fn failed(&self, error: &AttemptError) {
        let (AttemptError::Final(error) | AttemptError::Transferable { error, .. }) = error;
        self.whole.record("error.code", debug(error.code));
        trace::mark_failed(&self.whole);
    }
}
