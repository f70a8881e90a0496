//! A stand-in for the servers of model providers.
//!
//! It speaks the two wire formats of OpenAI, those of Zhipu's GLM, of the ChatGLM3 demonstration server and of
//! Gemini, and fails to order: which [`Fault`] a request meets is said by its header `x-fault`, by
//! its model name (`fault-…`) or by a control call. It writes raw sockets, so that it can reset a
//! connection, cut a character in two or send a line without end.
//!
//! ```text
//! POST …/chat/completions                        OpenAI, and Azure's path
//! POST …/completions                             vLLM's echo of a prompt, with likelihoods
//! POST …/responses                               OpenAI's other API
//! POST …/embeddings                              OpenAI's vectors
//! POST …/paas/v4/chat/completions                GLM
//! POST …/chatglm3/v1/chat/completions            ChatGLM3-6B
//! POST …/models/MODEL:[stream]generateContent    Gemini
//! GET  …/models                                  the list of OpenAI
//! GET  /control                                  counters, and the requests that came
//! POST /control                                  a [`Plan`] for the requests that come
//! POST /control/refuse                           {"ms": 2000}: nobody listens for so long
//! ```

mod completions;
mod connection;
mod dialect;
mod fault;
mod http;
mod plan;
mod server;
mod stream;
mod vectors;
mod writer;

pub use fault::{Fault, UnknownFault};
pub use plan::Plan;
pub use server::{Recorded, Stats, Upstream};
