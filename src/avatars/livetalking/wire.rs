//! `LiveTalking`'s HTTP calls.

use std::{collections::HashMap, time::Duration};

use futures::{Stream, StreamExt, stream, stream::BoxStream};
use reqwest::{Client, Response, redirect};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::playback::Line;
use crate::{
    settings::{LivetalkingSettings, SettingsError},
    turn::Emotion,
};

/// Most bytes of one event.
const MOST_EVENT: usize = 64 * 1024;
/// Most bytes of an answer to a call.
const MOST_ANSWER: usize = 64 * 1024;
/// How often a connection over which nothing comes is tried, so that a dead one is found.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// What a line's number is called among what goes to the speech and comes back with its playback.
const NUMBER: &str = "anima";

/// Where avatars are rendered.
pub(super) struct Renderer {
    client: Client,
    url: String,
    deadline: Duration,
    tts: Map<String, Value>,
    emotions: HashMap<Emotion, String>,
}

/// Why a call came to nothing. Holds nothing of what was to be said.
#[derive(Debug, Error)]
pub(super) enum RendererError {
    /// There is no session of this id, or there is none any more.
    #[error("LiveTalking has no such session")]
    NoSession,
    /// It refused, and did nothing.
    #[error("LiveTalking refused: {0}")]
    Refused(String),
    /// It cannot be reached, and was told nothing.
    #[error("LiveTalking cannot be reached")]
    Unreachable,
    /// It may have been told, and did not say so.
    #[error("LiveTalking did not answer: {0}")]
    Unanswered(&'static str),
}

impl RendererError {
    /// Whether nothing was done for certain, so that the same call can be repeated.
    pub(super) fn is_harmless(&self) -> bool {
        !matches!(self, Self::Unanswered(_))
    }

    /// What it is called in the metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::NoSession => "no_session",
            Self::Refused(_) => "refused",
            Self::Unreachable => "unreachable",
            Self::Unanswered(_) => "unanswered",
        }
    }
}

/// What an avatar does.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Played {
    pub(super) status: Status,
    /// What it says, where that is told.
    #[serde(default)]
    pub(super) text: Option<String>,
    /// What the line was sent with.
    #[serde(default)]
    tts: Value,
    /// The same, where one of the ways of making speech has it.
    #[serde(default)]
    msgevent: Value,
}

/// What happened to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// Its first sound was played.
    Start,
    /// Its last one was.
    End,
    /// Nothing that matters here.
    #[serde(other)]
    Other,
}

impl Played {
    /// The number of the line, where the server sends back what came with it.
    pub(super) fn number(&self) -> Option<u64> {
        let within = |tts: &Value| tts.get(NUMBER).and_then(Value::as_u64);
        within(&self.tts).or_else(|| within(self.msgevent.get("tts")?))
    }
}

#[derive(Deserialize)]
struct Answer {
    code: i64,
    #[serde(default)]
    msg: String,
}

impl Renderer {
    /// The server of these settings. Where it is comes from them, and nowhere else does a request go.
    pub(super) fn new(settings: &LivetalkingSettings) -> Result<Self, SettingsError> {
        let deadline = Duration::from_millis(settings.deadline_ms);
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(deadline)
            .tcp_keepalive(KEEPALIVE)
            .build()
            .map_err(|error| {
                SettingsError::value("avatars.livetalking", error.without_url().to_string())
            })?;
        let url = settings.url.trim_end_matches('/').to_owned();
        let (tts, emotions) = (settings.tts.clone(), settings.emotions()?);
        Ok(Self { client, url, deadline, tts, emotions })
    }

    /// Lets an avatar say a line after what it has to say already, or, where the line opens a turn,
    /// instead of it.
    pub(super) async fn say(&self, avatar: &str, line: &Line) -> Result<(), RendererError> {
        let mut tts = self.tts.clone();
        if let Some(emotion) = self.emotions.get(&line.emotion) {
            tts.insert("emotion".to_owned(), json!(emotion));
        }
        tts.insert(NUMBER.to_owned(), json!(line.number));
        let mut body =
            json!({ "sessionid": avatar, "type": "echo", "text": line.text, "tts": tts });
        if line.opens {
            body["interrupt"] = json!(true);
        }
        self.call("say", "/human", &body).await
    }

    /// Lets an avatar stop at once, and forget what it had to say.
    pub(super) async fn interrupt(&self, avatar: &str) -> Result<(), RendererError> {
        self.call("interrupt", "/interrupt_talk", &json!({ "sessionid": avatar })).await
    }

    /// Asks whether an avatar is there.
    pub(super) async fn probe(&self, avatar: &str) -> Result<(), RendererError> {
        self.call("probe", "/is_speaking", &json!({ "sessionid": avatar })).await
    }

    async fn call(
        &self,
        name: &'static str,
        path: &str,
        body: &Value,
    ) -> Result<(), RendererError> {
        let request = self.client.post(format!("{}{path}", self.url)).timeout(self.deadline);
        let answered = async { answer(request.json(body).send().await.map_err(failure)?).await };
        counted(name, answered.await)
    }

    /// What an avatar does from now on, to the end of the connection.
    pub(super) async fn listen(
        &self,
        avatar: &str,
    ) -> Result<BoxStream<'static, Played>, RendererError> {
        let request = self.client.get(format!("{}/sse", self.url)).query(&[("sessionid", avatar)]);
        let late = RendererError::Unanswered("it took too long");
        let begun = async {
            let response = request.send().await.map_err(failure)?;
            let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
            if kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
                return Ok(response);
            }
            // An error comes with the same status.
            answer(response).await?;
            Err(RendererError::Refused("no events come".to_owned()))
        };
        let begun = tokio::time::timeout(self.deadline, begun).await.unwrap_or(Err(late));
        counted("listen", begun).map(|response| events(response.bytes_stream()).boxed())
    }
}

/// Counts a call by what came of it.
fn counted<T>(call: &'static str, answer: Result<T, RendererError>) -> Result<T, RendererError> {
    let outcome = answer.as_ref().map_or_else(RendererError::name, |_| "ok");
    metrics::counter!("anima_livetalking_calls_total", "call" => call, "outcome" => outcome)
        .increment(1);
    answer
}

/// The events in a stream of bytes. It ends with them, and where an event is too long.
fn events<B: AsRef<[u8]>, E>(
    pieces: impl Stream<Item = Result<B, E>> + Send + Unpin,
) -> impl Stream<Item = Played> + Send {
    stream::unfold((pieces, Vec::new()), |(mut pieces, mut waiting)| async move {
        loop {
            if let Some(played) = next_event(&mut waiting) {
                return Some((played, (pieces, waiting)));
            }
            if waiting.len() > MOST_EVENT {
                return None;
            }
            waiting.extend_from_slice(pieces.next().await?.ok()?.as_ref());
        }
    })
}

/// Takes the next event out of what has come.
fn next_event(waiting: &mut Vec<u8>) -> Option<Played> {
    while let Some(end) = waiting.windows(2).position(|pair| pair == b"\n\n") {
        let event: Vec<u8> = waiting.drain(..end + 2).collect();
        let text = String::from_utf8_lossy(&event);
        let data = text.lines().find_map(|line| line.strip_prefix("data:"));
        if let Some(played) = data.and_then(|data| serde_json::from_str(data.trim()).ok()) {
            return Some(played);
        }
    }
    None
}

/// Every answer has the status 200, and a code.
async fn answer(mut response: Response) -> Result<(), RendererError> {
    let status = response.status();
    if !status.is_success() {
        return Err(RendererError::Refused(format!("status {}", status.as_u16())));
    }
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failure)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > MOST_ANSWER {
            return Err(RendererError::Refused("its answer is too large".to_owned()));
        }
    }
    match serde_json::from_slice::<Answer>(&bytes) {
        Ok(Answer { code: 0, .. }) => Ok(()),
        Ok(Answer { msg, .. }) if msg.contains("session not found") => {
            Err(RendererError::NoSession)
        }
        // What it says may repeat what was to be said.
        Ok(Answer { code, .. }) => Err(RendererError::Refused(format!("code {code}"))),
        Err(_) => Err(RendererError::Refused("its answer is not its own JSON".to_owned())),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn failure(error: reqwest::Error) -> RendererError {
    if error.is_connect() {
        RendererError::Unreachable
    } else if error.is_timeout() {
        RendererError::Unanswered("it took too long")
    } else {
        RendererError::Unanswered("the connection broke off")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn events_are_found_however_they_are_cut() {
        let text = "data: {\"status\":\"start\",\"text\":\"你好\",\"tts\":{\"anima\":7}}\n\n: hm\n\n\
            data: nonsense\n\ndata: {\"status\":\"end\",\"tts\":{}}\n\n";
        for cut in 0..=text.len() {
            let (before, after) = text.as_bytes().split_at(cut);
            let pieces = stream::iter([before, after].map(Ok::<_, ()>));
            let told: Vec<_> = events(pieces).collect().await;
            let told: Vec<_> = told
                .iter()
                .map(|played| (played.status, played.text.as_deref(), played.number()))
                .collect();
            let expected = [(Status::Start, Some("你好"), Some(7)), (Status::End, None, None)];
            assert_eq!(told, expected, "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn an_event_without_an_end_ends_the_stream() {
        let pieces = stream::repeat("data: ".repeat(1000)).map(Ok::<_, ()>);
        assert_eq!(events(pieces).count().await, 0);
    }
}
