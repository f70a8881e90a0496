//! The local model engine: mistral.rs behind the [`Provider`](anima_provider::Provider) trait.
//!
//! A [`LocalProvider`] owns one engine and one thread. Everything that mistralrs 0.8.1 must not
//! be asked to do is kept away from it here:
//!
//! ```text
//!  generate ─ prompt (template, tokens) ─ sampling (limits) ─▶ queue (fair, bounded)
//!                                                                │ one at a time
//!  EventStream ◀─ answer (places, events) ◀─ worker thread ◀─────┘─▶ engine (mistralrs)
//! ```
//!
//! - `settings` and `error`: what an operator writes, and what was wrong with it;
//! - `inspect`: reads a model folder or GGUF file and says in one line what is wrong with it,
//!   before the engine sees it;
//! - `template`, `literal`, `prompt`: renders the chat template and tokenizes; special tokens
//!   that a person typed stay plain text;
//! - `sampling`, `form`, `stop`: how the answer is drawn, what it is bound to and where it ends;
//! - `dictation`: how likely a given text is;
//! - `queue`, `answer`: who is served when, and what the caller sees meanwhile;
//! - `paging`: how a GPU's memory is shared out;
//! - `engine`, `worker`: the model itself and the only thread that talks to it;
//! - `embedder`: the same for a model that turns texts into vectors.
//!
//! # Limits
//! One answer at a time on each engine, because batched decoding on a CPU gives wrong text in
//! mistralrs 0.8.1. A prefill cannot be cancelled; a cancelled answer ends within two tokens. The
//! engine drops white space at the very start of an answer. A rebuilt engine leaves one small
//! logging thread of mistralrs behind.

mod answer;
mod dictation;
mod embedder;
mod engine;
mod error;
mod form;
mod inspect;
mod literal;
mod paging;
mod prompt;
mod provider;
mod queue;
mod sampling;
mod settings;
mod stop;
mod template;
mod worker;

// The benchmark compares us with the engine alone.
#[doc(hidden)]
pub use mistralrs;

use std::sync::Arc;

use anima_provider::Provider;

pub use embedder::LocalEmbedder;
pub use error::LoadError;
pub use provider::LocalProvider;
pub use settings::{Device, LocalSettings, Precision, Quantization, Task};

/// Loads the model that `settings` name, whatever it is for.
///
/// # Errors
/// As [`LocalProvider::load`] and [`LocalEmbedder::load`].
pub async fn load(
    name: impl Into<String>,
    settings: LocalSettings,
) -> Result<Arc<dyn Provider>, LoadError> {
    if settings.embeds() {
        return Ok(Arc::new(LocalEmbedder::load(name, settings).await?));
    }
    Ok(Arc::new(LocalProvider::load(name, settings).await?))
}
