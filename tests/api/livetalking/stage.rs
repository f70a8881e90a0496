//! A stand-in for `LiveTalking` with one avatar, which the test plays.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    web::{self, Bytes},
};
use anima::settings::Settings;
use futures::{StreamExt, stream};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    sync::broadcast,
    time::{Instant, sleep, timeout},
};

use crate::helpers::{PATIENCE, TestApp, eventually, json as body};

/// The id of the avatar.
pub(super) const AVATAR: &str = "0b1c-face";

/// How often it sends something that means nothing.
const TICK: Duration = Duration::from_millis(20);

/// How the server is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mood {
    Well,
    /// It takes so long over each sentence.
    Slow(Duration),
    /// It says no, with the status 200.
    Refusing,
    /// It has forgotten its avatar.
    Empty,
}

/// What the handlers share.
struct Shared {
    /// The calls that came: path and body.
    calls: Mutex<Vec<(String, Value)>>,
    mood: Mutex<Mood>,
    hears: Mutex<bool>,
    /// What the avatar does; nothing ends the connection.
    played: broadcast::Sender<Option<String>>,
}

/// The server.
pub(super) struct Stage {
    shared: Arc<Shared>,
    pub(super) address: SocketAddr,
    server: Option<ServerHandle>,
}

impl Stage {
    pub(super) fn start() -> Self {
        let (calls, mood) = (Mutex::default(), Mutex::new(Mood::Well));
        let (hears, played) = (Mutex::new(true), broadcast::Sender::new(64));
        let shared = Arc::new(Shared { calls, mood, hears, played });
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut stage = Self { shared, address: free, server: None };
        stage.open();
        stage
    }

    /// Serves, at the same place as before.
    pub(super) fn open(&mut self) {
        let shared = web::Data::from(Arc::clone(&self.shared));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .route("/sse", web::get().to(sse))
                .default_service(web::to(call))
        })
        .workers(1)
        .disable_signals()
        .bind(self.address)
        .unwrap();
        self.address = server.addrs()[0];
        let server = server.run();
        self.server = Some(server.handle());
        tokio::spawn(server);
    }

    /// Is down from now on.
    pub(super) async fn close(&mut self) {
        self.silence();
        self.server.take().unwrap().stop(false).await;
    }

    pub(super) fn be(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    /// Tells nothing of what it plays, and ends what is open.
    pub(super) fn silence(&self) {
        *self.shared.hears.lock().unwrap() = false;
        let _ = self.shared.played.send(None);
    }

    /// Tells it again.
    pub(super) fn unsilence(&self) {
        *self.shared.hears.lock().unwrap() = true;
    }

    /// Ends what is open.
    pub(super) fn break_off(&self) {
        let _ = self.shared.played.send(None);
    }

    /// How many listen.
    pub(super) fn listeners(&self) -> usize {
        self.shared.played.receiver_count()
    }

    /// Plays a sentence that it was told to say, as far as the status says.
    pub(super) fn play(&self, status: &str, text: &str) {
        let said = self.calls().into_iter().rev().find(|(_, body)| body["text"] == text);
        let (_, said) = said.unwrap_or_else(|| panic!("it was not told to say {text}"));
        self.tell(&json!({ "status": status, "text": text, "tts": said["tts"] }));
    }

    /// Plays a sentence whole.
    pub(super) fn play_whole(&self, text: &str) {
        self.play("start", text);
        self.play("end", text);
    }

    pub(super) fn tell(&self, event: &Value) {
        self.shared.played.send(Some(event.to_string())).unwrap();
    }

    /// The calls but for those that only ask.
    pub(super) fn calls(&self) -> Vec<(String, Value)> {
        let calls = self.shared.calls.lock().unwrap().clone();
        calls.into_iter().filter(|(path, _)| path != "/is_speaking").collect()
    }

    /// Waits until so many calls have come, and a moment for one too many.
    pub(super) async fn called(&self, count: usize) -> Vec<(String, Value)> {
        eventually("the calls come", || self.calls().len() >= count).await;
        sleep(Duration::from_millis(30)).await;
        let calls = self.calls();
        assert_eq!(calls.len(), count, "{calls:?}");
        calls
    }

    /// What it was told to say.
    pub(super) fn said(&self) -> Vec<String> {
        said(&self.calls())
    }

    /// Waits until the last thing that it was told to say is this.
    pub(super) async fn says(&self, text: &str) {
        eventually(text, || self.said().last().is_some_and(|last| last == text)).await;
    }

    /// How often it was told to stop.
    pub(super) fn interruptions(&self) -> usize {
        self.calls().iter().filter(|(path, _)| path == "/interrupt_talk").count()
    }

    /// Settings of a service with this server.
    pub(super) fn settings(&self) -> impl FnOnce(&mut Settings) + use<> {
        self.settings_with(&json!({}))
    }

    /// The same with other keys.
    pub(super) fn settings_with(&self, keys: &Value) -> impl FnOnce(&mut Settings) + use<> {
        let mut wanted = json!({ "url": format!("http://{}/", self.address), "gone_ms": 60_000 });
        wanted.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        move |settings| {
            settings.avatars.livetalking = Some(serde_json::from_value(wanted).unwrap());
        }
    }
}

pub(super) fn said(calls: &[(String, Value)]) -> Vec<String> {
    let said = calls.iter().filter(|(path, _)| path == "/human");
    said.map(|(_, body)| body["text"].as_str().unwrap().to_owned()).collect()
}

async fn call(shared: web::Data<Shared>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let (path, mood) = (request.path().to_owned(), *shared.mood.lock().unwrap());
    if body["sessionid"] != AVATAR || mood == Mood::Empty {
        return refusal("session not found");
    }
    shared.calls.lock().unwrap().push((path.clone(), body));
    match mood {
        Mood::Slow(time) if path == "/human" => sleep(time).await,
        Mood::Refusing => return refusal("'text'"),
        _ => {}
    }
    HttpResponse::Ok().json(json!({ "code": 0, "msg": "ok" }))
}

async fn sse(shared: web::Data<Shared>, request: HttpRequest) -> HttpResponse {
    let is_there = request.query_string() == format!("sessionid={AVATAR}");
    if !is_there || *shared.mood.lock().unwrap() == Mood::Empty {
        return refusal("session not found");
    }
    if !*shared.hears.lock().unwrap() {
        return HttpResponse::NotFound().finish();
    }
    let events = stream::unfold(shared.played.subscribe(), |mut played| async move {
        let event = match timeout(TICK, played.recv()).await {
            Ok(event) => format!("data: {}\n\n", event.ok()??),
            // Only by writing the server finds out that nobody listens any more.
            Err(_) => ": nothing\n\n".to_owned(),
        };
        Some((Ok::<_, actix_web::Error>(Bytes::from(event)), played))
    });
    HttpResponse::Ok().content_type("text/event-stream").streaming(events.boxed_local())
}

fn refusal(message: &str) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "code": -1, "msg": message }))
}

pub(super) fn path(session: &str) -> String {
    format!("/v1/sessions/{session}/livetalking")
}

/// Lets the avatar speak for a session.
pub(super) async fn attach(app: &TestApp, session: &str) -> Value {
    let request = app.request(Method::PUT, &path(session)).json(&json!({ "sessionid": AVATAR }));
    body(request.send().await.unwrap(), StatusCode::OK).await
}

/// Waits until what is told of the avatar has this value.
pub(super) async fn stands(app: &TestApp, session: &str, field: &str, value: bool) {
    let begun = Instant::now();
    loop {
        let avatar = app.get(&path(session)).await;
        if avatar[field] == value {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "never {field} {value}: {avatar}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until this was heard of the last exchange of a session.
pub(super) async fn heard(app: &TestApp, session: &str, text: &str) {
    let begun = Instant::now();
    loop {
        let exchanges = app.exchanges(session).await;
        let last = exchanges.last().unwrap();
        if last["heard"] == text {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "never heard {text}: {last}");
        sleep(Duration::from_millis(5)).await;
    }
}
