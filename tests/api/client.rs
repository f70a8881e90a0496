//! A client of the native WebSocket.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::StatusCode},
};

use crate::{
    helpers::{PATIENCE, TestApp},
    providers::Hand,
};

/// A client's end of a socket.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Frames that came while others were waited for.
    passed: VecDeque<Value>,
}

impl Client {
    /// Connects and says nothing.
    pub(crate) async fn connect(app: &TestApp) -> Self {
        Self::try_connect(app, &[]).await.expect("the service refused the handshake")
    }

    /// Connects once there is a place.
    pub(crate) async fn connect_in_time(app: &TestApp) -> Self {
        let begun = Instant::now();
        loop {
            match Self::try_connect(app, &[]).await {
                Ok(client) => return client,
                Err(status) => assert!(begun.elapsed() < 3 * PATIENCE, "still refused: {status}"),
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Connects with these headers; the error is the status of the refusal.
    pub(crate) async fn try_connect(
        app: &TestApp,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, StatusCode> {
        let mut request = format!("ws://{}/ws", app.address).into_client_request().unwrap();
        for (name, value) in headers {
            if *name == "host" {
                request.headers_mut().remove(*name);
            }
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        match timeout(PATIENCE, connect_async(request)).await.expect("no answer to the handshake") {
            Ok((socket, _)) => Ok(Self { socket, passed: VecDeque::new() }),
            Err(Error::Http(response)) => Err(response.status()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Connects, says hello with these fields, and gives the welcome.
    pub(crate) async fn hello(app: &TestApp, fields: &Value) -> (Self, Value) {
        let mut client = Self::connect(app).await;
        let mut hello = json!({ "type": "hello" });
        hello.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        client.send(&hello).await;
        let welcome = client.next().await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        (client, welcome)
    }

    /// Connects to a session, a fresh one when it is empty, and gives its id.
    pub(crate) async fn join(app: &TestApp, session: &str) -> (Self, String) {
        let (client, welcome) = Self::hello(app, &json!({ "session": session })).await;
        let id = welcome["session"].as_str().unwrap().to_owned();
        (client, id)
    }

    pub(crate) async fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    /// Sends over a connection that may have been closed.
    pub(crate) async fn try_send(&mut self, text: &str) {
        let _ = self.socket.send(Message::text(text)).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    pub(crate) async fn say(&mut self, turn: &str, text: &str) {
        self.send(&json!({ "type": "say", "turn": turn, "text": text })).await;
    }

    /// Says something and waits for the end of the answer.
    pub(crate) async fn ask(&mut self, turn: &str, text: &str) -> Told {
        self.say(turn, text).await;
        self.turn(turn).await
    }

    /// The same with a model that the test speaks for.
    pub(crate) async fn ask_puppet(&mut self, hand: &mut Hand, turn: &str) -> Told {
        self.say(turn, "你好").await;
        let asked = hand.admitted().await;
        asked.say("好的。");
        asked.finish();
        self.turn(turn).await
    }

    /// Sends a turn that has finished once more, and waits until it is told again.
    pub(crate) async fn ask_again(&mut self, say: &Value) -> Told {
        self.send(say).await;
        self.turn(say["turn"].as_str().unwrap()).await
    }

    /// The next message of any kind.
    pub(crate) async fn message(&mut self) -> Message {
        let next = timeout(PATIENCE, self.socket.next()).await.expect("the service says nothing");
        next.expect("the connection ended").unwrap()
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Value {
        if let Some(frame) = self.passed.pop_front() {
            return frame;
        }
        self.receive().await
    }

    async fn receive(&mut self) -> Value {
        loop {
            match self.message().await {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) => {}
                other => panic!("not a frame: {other:?}"),
            }
        }
    }

    /// The next frame for which this holds; others stay for later.
    pub(crate) async fn next_that(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.passed.iter().position(&wanted) {
            return self.passed.remove(at).unwrap();
        }
        loop {
            let frame = self.receive().await;
            if wanted(&frame) {
                return frame;
            }
            assert_ne!(frame["type"], "error", "{frame}");
            self.passed.push_back(frame);
        }
    }

    /// The next frame of this type; others stay for later.
    pub(crate) async fn next_of_type(&mut self, kind: &str) -> Value {
        self.next_that(|frame| frame["type"] == kind).await
    }

    /// The next frame of this type that belongs to this turn.
    pub(crate) async fn next_of_turn(&mut self, turn: &str, kind: &str) -> Value {
        self.next_that(|frame| frame["type"] == kind && frame["turn"] == turn).await
    }

    /// Waits until so many sentences of a turn have come, and leaves them for later.
    pub(crate) async fn sentences(&mut self, turn: &str, count: usize) {
        let is_one = |frame: &&Value| frame["type"] == "sentence" && frame["turn"] == turn;
        while self.passed.iter().filter(is_one).count() < count {
            let frame = self.receive().await;
            assert_ne!(frame["type"], "error", "{frame}");
            self.passed.push_back(frame);
        }
    }

    /// The error that the last frame caused.
    pub(crate) async fn error(&mut self, code: &str) -> Value {
        let error = self.next_of_type("error").await;
        assert_eq!(error["code"], code, "{error}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
        assert!(error.get("seq").is_none(), "{error}");
        error
    }

    /// A turn from its `accepted` to its end.
    pub(crate) async fn turn(&mut self, turn: &str) -> Told {
        let mut frames = vec![self.next_of_turn(turn, "accepted").await];
        loop {
            let is_its = |frame: &Value| frame["turn"] == turn && frame.get("seq").is_some();
            let frame = self.next_that(is_its).await;
            let ended = frame["type"] == "finished" || frame["type"] == "failed";
            frames.push(frame);
            if ended {
                return Told::check(frames);
            }
        }
    }

    /// Waits until everything that was sent before has been obeyed.
    pub(crate) async fn settle(&mut self) {
        self.send(&json!({ "type": "ping" })).await;
        self.next_of_type("pong").await;
    }

    /// Everything that came and was not asked for.
    pub(crate) fn left_over(&mut self) -> Vec<Value> {
        self.passed.drain(..).collect()
    }

    /// The code that the service closes with; frames before it stay for later.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            match self.message().await {
                Message::Close(frame) => {
                    return frame.expect("a close frame without a code").code.into();
                }
                Message::Text(text) => self.passed.push_back(serde_json::from_str(&text).unwrap()),
                _ => {}
            }
        }
    }

    /// Closes the socket.
    pub(crate) async fn leave(mut self) {
        self.socket.close(None).await.unwrap();
        while !matches!(self.message().await, Message::Close(_)) {}
    }
}

/// The frames of one turn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) frames: Vec<Value>,
}

impl Told {
    /// What holds for the frames of every turn.
    fn check(frames: Vec<Value>) -> Self {
        let told = Self { frames };
        let mut last = 0;
        for frame in &told.frames {
            assert_eq!(frame["session"], told.frames[0]["session"], "{frame}");
            let seq = frame["seq"].as_u64().unwrap();
            assert!(seq > last, "{seq} after {last}: {frame}");
            last = seq;
        }
        let ends = |frame: &&Value| frame["type"] == "finished" || frame["type"] == "failed";
        assert_eq!(told.frames.iter().filter(ends).count(), 1, "{told:?}");
        if told.kind() == "finished" {
            let text = told.end()["text"].as_str().unwrap();
            assert_eq!(told.joined("sentence"), text);
            // A stored answer is told again without deltas.
            if told.frames[0].get("replay").is_none() {
                assert_eq!(told.joined("delta"), text);
            }
        }
        let indices: Vec<_> =
            told.all("sentence").iter().map(|frame| frame["index"].clone()).collect();
        assert_eq!(indices, (0..indices.len()).map(|index| json!(index)).collect::<Vec<_>>());
        told
    }

    /// The last frame.
    pub(crate) fn end(&self) -> &Value {
        self.frames.last().unwrap()
    }

    /// The type of the last frame.
    pub(crate) fn kind(&self) -> &str {
        self.end()["type"].as_str().unwrap()
    }

    /// The types of all frames, in their order.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        self.frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect()
    }

    /// The frames of one type.
    pub(crate) fn all(&self, kind: &str) -> Vec<&Value> {
        self.frames.iter().filter(|frame| frame["type"] == kind).collect()
    }

    /// The texts of all frames of one type.
    pub(crate) fn texts(&self, kind: &str) -> Vec<&str> {
        self.all(kind).iter().map(|frame| frame["text"].as_str().unwrap()).collect()
    }

    fn joined(&self, kind: &str) -> String {
        self.texts(kind).concat()
    }

    /// The text of an answer that has to have finished for this reason.
    pub(crate) fn finished(&self, reason: &str) -> &str {
        assert_eq!(self.kind(), "finished", "{self:?}");
        assert_eq!(self.end()["reason"], reason, "{self:?}");
        self.end()["text"].as_str().unwrap()
    }

    /// The code of a turn that has to have failed.
    pub(crate) fn failed(&self) -> &str {
        assert_eq!(self.kind(), "failed", "{self:?}");
        self.end()["code"].as_str().unwrap()
    }
}
