//! Chat completions, and the way of responses, over async-openai, of which only the connection is ours.
//!
//! Left to itself async-openai tries four times and loses the status of every failure whose body is
//! not OpenAI's. The service that is put in here sends once and gives back our own errors. The events
//! of a chat completion are read here, too: the library would read them on a task of its own, into a
//! channel without a bound, which costs each token another wake-up.

use std::{
    collections::VecDeque,
    future, mem,
    sync::{Arc, Mutex, PoisonError},
};

use anima_provider::{EventStream, ProviderError, ProviderEvent};
use async_openai::{Client, config::Config, error::OpenAIError, middleware::HttpRequestFactory};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::Response as HttpResponse;
use reqwest::{Body, Response};
use serde_json::Value;

use crate::{
    body::{Guarded, Watch},
    chat::{ChatReader, no_json},
    secret::Blotter,
    sse::EventReader,
    wire::{self, Answer},
};

/// Sends to one server.
pub(crate) struct ChatTransport {
    client: Client<Arc<dyn Config>>,
    http: reqwest::Client,
    blotter: Arc<Blotter>,
}

/// An answer on its way.
pub(crate) struct ChatAnswer {
    body: Guarded,
    events: EventReader,
    reader: ChatReader,
    watch: Arc<Watch>,
    blotter: Arc<Blotter>,
    ready: VecDeque<ProviderEvent>,
    ended: bool,
    /// It ended in order with nothing in it.
    blank: bool,
}

impl ChatTransport {
    pub(crate) fn new(config: Arc<dyn Config>, http: reqwest::Client, blotter: Blotter) -> Self {
        let client = Client::build(http.clone(), config);
        Self { client, http, blotter: Arc::new(blotter) }
    }

    /// A client for one request, which is sent once; `watch` sees what comes of it.
    pub(crate) fn once(&self, watch: &Arc<Watch>) -> Client<Arc<dyn Config>> {
        let parts = (self.http.clone(), Arc::clone(&self.blotter), Arc::clone(watch));
        let once = tower::service_fn(move |request| {
            let (http, blotter, watch) = parts.clone();
            async move {
                let body = Body::wrap_stream(send_once(request, http, blotter, watch).await?);
                Ok::<_, OpenAIError>(Response::from(HttpResponse::new(body)))
            }
        });
        // Costs two allocations: the service has to be this request's, so that its watch is.
        self.client.clone().with_http_service(once)
    }

    /// What blots the secrets of this server out.
    pub(crate) fn blotter(&self) -> Arc<Blotter> {
        Arc::clone(&self.blotter)
    }

    /// Sends `body` and waits for the head of the answer.
    pub(crate) async fn send(&self, body: Value) -> Result<ChatAnswer, ProviderError> {
        let watch = Arc::new(Watch::default());
        let kept: Arc<Mutex<Option<Guarded>>> = Arc::default();
        let parts =
            (self.http.clone(), Arc::clone(&self.blotter), Arc::clone(&watch), Arc::clone(&kept));
        let once = tower::service_fn(move |request| {
            let (http, blotter, watch, kept) = parts.clone();
            async move {
                let body = send_once(request, http, blotter, watch).await?;
                *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
                // All that the library gets to read.
                Ok::<_, OpenAIError>(Response::from(HttpResponse::new(Body::default())))
            }
        });
        let client = self.client.clone().with_http_service(once);
        let sent = client.chat().create_stream_byot::<_, Value>(body).await;
        drop(sent.map_err(|error| ours(error, &watch))?);
        let body = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        let body = body.ok_or_else(|| ProviderError::Protocol("it sent no answer".into()))?;
        Ok(ChatAnswer {
            body,
            events: EventReader::default(),
            reader: ChatReader::default(),
            watch,
            blotter: Arc::clone(&self.blotter),
            ready: VecDeque::new(),
            ended: false,
            blank: false,
        })
    }
}

impl ChatAnswer {
    /// The next event; `None` after the end.
    pub(crate) async fn next(&mut self) -> Option<Result<ProviderEvent, ProviderError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if self.ended {
                return None;
            }
            let read = match self.body.next().await {
                Some(Ok(line)) if !self.watch.done() => self.read(&line),
                Some(Err(_)) => Err(self.broken()),
                // What follows the mark of the end is no part of the answer.
                None | Some(Ok(_)) => {
                    self.ended = true;
                    // A connection whose body was not read to its end cannot be used again.
                    self.body.end().await;
                    let (reader, done) = (mem::take(&mut self.reader), self.watch.done());
                    self.blank = reader.is_blank() && !done;
                    return Some(reader.finish(done));
                }
            };
            if let Err(error) = read {
                self.ended = true;
                return Some(Err(error));
            }
        }
    }

    /// Reads a line, and the event that it ends.
    fn read(&mut self, line: &[u8]) -> Result<(), ProviderError> {
        if str::from_utf8(line).is_err() {
            return Err(self.broken());
        }
        for data in self.events.push(line) {
            self.ready.extend(self.reader.read(&data, &self.blotter)?);
        }
        Ok(())
    }

    /// Why the body cannot be read on.
    fn broken(&self) -> ProviderError {
        let unknown = || ProviderError::Protocol("it sent no stream of events".into());
        self.watch.take_fault().unwrap_or_else(unknown)
    }

    /// Waits for the first event and says whether there is none at all: the stream has ended in
    /// order, without text, without a reason and without the mark of the end.
    pub(crate) async fn is_blank(&mut self) -> Result<bool, ProviderError> {
        match self.next().await {
            Some(Ok(event)) => {
                self.ready.push_front(event);
                Ok(false)
            }
            Some(Err(_)) if self.blank => Ok(true),
            Some(Err(error)) => Err(error),
            None => Ok(true),
        }
    }

    pub(crate) fn into_stream(self) -> EventStream {
        // It goes from hand to hand with every event.
        stream::unfold(Box::new(self), |mut answer| async move {
            answer.next().await.map(|event| (event, answer))
        })
        .boxed()
    }
}

/// What async-openai says, in our words. Its own may hold what people and models said.
pub(crate) fn ours(error: OpenAIError, watch: &Watch) -> ProviderError {
    match error {
        OpenAIError::Boxed(error) => match error.downcast() {
            Ok(error) => *error,
            Err(error) => ProviderError::Protocol(error),
        },
        OpenAIError::Reqwest(error) => wire::broken(error),
        OpenAIError::JSONDeserialize(error, _) => no_json(&error),
        OpenAIError::StreamError(_) => watch
            .take_fault()
            .unwrap_or_else(|| ProviderError::Protocol("it sent no stream of events".into())),
        _ => ProviderError::Protocol("the request could not be made".into()),
    }
}

/// Sends a request, and gives the body of its response only where that is a stream of events.
async fn send_once(
    request: HttpRequestFactory,
    client: reqwest::Client,
    blotter: Arc<Blotter>,
    watch: Arc<Watch>,
) -> Result<Guarded, OpenAIError> {
    let boxed = |error: ProviderError| OpenAIError::Boxed(Box::new(error));
    let mut request = request.build().await?;
    wire::put_trace(request.headers_mut());
    let response = client.execute(request).await.map_err(wire::broken).map_err(boxed)?;
    let bytes = match wire::accept(response, &blotter).await.map_err(boxed)? {
        Answer::Stream(bytes) => bytes,
        Answer::Whole(json) => {
            let event = Bytes::from(as_event(&json).map_err(boxed)?);
            stream::once(future::ready(Ok(event))).boxed()
        }
    };
    Ok(Guarded::new(bytes, watch))
}

/// One JSON text as a stream of one event.
fn as_event(json: &[u8]) -> Result<String, ProviderError> {
    let value: Value = serde_json::from_slice(json)
        .map_err(|_| ProviderError::Protocol("it sent no JSON".into()))?;
    // Written anew, because a line must not end within it.
    Ok(format!("data: {value}\n\n"))
}
