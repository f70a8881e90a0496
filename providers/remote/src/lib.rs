//! Providers behind HTTP: OpenAI and whatever speaks like it, Gemini, ChatGLM.
//!
//! A [`RemoteProvider`] is one model on one server. What all kinds have in common lies here: a fair
//! queue before the server (`gate`), one way to send, which neither tries twice nor follows anybody
//! elsewhere (`wire`), a guard on what comes back (`body`), and one table of what a failure means
//! (`failure`). A `Dialect` adds how a server is asked and how its answer is read:
//!
//! ```text
//! generate ─▶ gate (Queued*) ─▶ Admitted ─▶ Dialect::open ─▶ body guard ─▶ reader ─▶ Text* ─▶ Done
//!                                             │ not 2xx, a web page, a cut, a reset
//!                                             └▶ failure ─▶ ProviderError
//! ```
//!
//! No error, no log line and no `Debug` of this crate holds a key, the value of a header, an address
//! or what a server said of itself, except as the source of an error, where known secrets are
//! blotted out. Deadlines of answers are the caller's; connecting, vectors and
//! likelihoods have theirs here.

mod body;
mod chat;
mod chatglm;
mod embeddings;
mod failure;
mod gate;
mod gemini;
mod merge;
mod openai;
mod provider;
mod refusal;
mod responses;
mod sampling;
mod scorer;
mod secret;
mod settings;
mod sse;
mod transport;
mod wire;

pub use chatglm::{ChatGlmAuth, ChatGlmSettings};
pub use gemini::GeminiSettings;
pub use openai::{Api, AzureSettings, OpenAiSettings, TokenLimit};
pub use provider::RemoteProvider;
pub use secret::{HeaderSource, Reveal, SecretSource};
pub use settings::{CommonSettings, SetupError};
