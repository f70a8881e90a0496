//! `GET /client-ws`, as the web client of Open-LLM-VTuber uses it.

use std::{fs, net::SocketAddr, sync::Arc, time::Duration};

use anima::{
    avatars::wave::Wave,
    settings::{Settings, SpeechSettings, VtuberSettings},
};
use anima_provider::{Script, Step};
use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    helpers::{TestApp, error, eventually},
    json_socket::{JsonSocket, kinds},
    providers::{
        ANSWER, SENTENCES, answering, assistant, conversation, failing, half_an_answer, hanging,
        playing, user,
    },
};

const PATH: &str = "/client-ws";

/// A `Live2D` model as the client reads it.
fn model() -> Value {
    json!({ "name": "mao", "url": "/live2d-models/mao/mao.model3.json", "kScale": 0.5,
        "emotionMap": { "neutral": 0, "joy": 3, "calm": 5 } })
}

fn with_model(settings: &mut Settings) {
    settings.avatars.vtuber.model = model().as_object().cloned();
    settings.avatars.vtuber.avatar = Some("mao.png".to_owned());
}

/// A window of the client.
struct Window {
    socket: JsonSocket,
    /// The history that it is in.
    history: String,
    /// What it is known again by.
    cookie: String,
}

impl Window {
    /// Opens a window as the client does: it asks for everything at once.
    async fn open(app: &TestApp, cookie: &str) -> (Self, Vec<Value>) {
        let headers = [("cookie", cookie)];
        let headers: &[_] = if cookie.is_empty() { &[] } else { &headers };
        let mut socket = JsonSocket::try_open(app, PATH, headers).await.unwrap();
        for kind in ["fetch-backgrounds", "fetch-configs", "fetch-history-list"] {
            socket.send(&json!({ "type": kind })).await;
        }
        socket.send(&json!({ "type": "create-new-history" })).await;
        let mut told = socket.until("new-history-created").await;
        let history = told.last_mut().unwrap()["history_uid"].take();
        let given = socket.headers.get("set-cookie").map(|given| given.to_str().unwrap());
        let given = given.and_then(|given| given.split(';').next());
        let cookie = given.unwrap_or(cookie).to_owned();
        let history = history.as_str().unwrap().to_owned();
        (Self { socket, history, cookie }, told)
    }

    async fn new(app: &TestApp) -> Self {
        Self::open(app, "").await.0
    }

    async fn send(&mut self, message: Value) {
        self.socket.send(&message).await;
    }

    async fn say(&mut self, text: &str) {
        self.send(json!({ "type": "text-input", "text": text, "images": [] })).await;
    }

    /// The next sentence, which it begins to play.
    async fn play(&mut self) -> Value {
        let sentence = self.socket.expect("audio").await;
        let shown = sentence["display_text"].clone();
        self.send(json!({ "type": "audio-play-start", "display_text": shown, "forwarded": true }))
            .await;
        sentence
    }

    /// Says something and plays the answer to its end.
    async fn ask(&mut self, text: &str) -> Vec<Value> {
        self.say(text).await;
        let mut told = self.socket.until("backend-synth-complete").await;
        for sentence in told.iter().filter(|message| message["type"] == "audio") {
            let shown = &sentence["display_text"];
            let start = json!({ "type": "audio-play-start", "display_text": shown });
            self.socket.send(&start).await;
        }
        self.send(json!({ "type": "frontend-playback-complete" })).await;
        told.extend(self.socket.until("control").await);
        told
    }

    /// Waits until everything that was sent before has been obeyed.
    async fn settle(&mut self) {
        self.send(json!({ "type": "heartbeat" })).await;
        self.socket.until("heartbeat-ack").await;
    }

    async fn histories(&mut self) -> Vec<Value> {
        self.send(json!({ "type": "fetch-history-list" })).await;
        let list = self.socket.expect("history-list").await;
        list["histories"].as_array().unwrap().clone()
    }
}

fn texts(told: &[Value]) -> Vec<&str> {
    told.iter().filter_map(|message| message["display_text"]["text"].as_str()).collect()
}

fn wave(sentence: &Value) -> Wave {
    let bytes = BASE64_STANDARD.decode(sentence["audio"].as_str().unwrap()).unwrap();
    Wave::read(bytes).unwrap()
}

#[tokio::test]
async fn a_window_is_greeted_and_told_everything_that_it_asks_for() {
    let app = TestApp::start_with(vec![answering("far", ANSWER)], with_model).await;
    let (window, told) = Window::open(&app, "").await;
    assert_eq!(
        kinds(&told),
        [
            "full-text",
            "set-model-and-conf",
            "group-update",
            "background-files",
            "config-files",
            "history-list",
            "new-history-created",
        ]
    );
    let shown = &told[1];
    assert_eq!((&shown["model_info"], &shown["conf_uid"]), (&model(), &json!("lingxi")));
    assert_eq!(shown["conf_name"], "灵犀");
    assert!(shown["client_uid"].is_string());
    assert_eq!((&told[2]["members"], &told[2]["is_owner"]), (&json!([]), &json!(false)));
    let configs = told[4]["configs"].as_array().unwrap();
    assert!(configs.contains(&json!({ "filename": "companion", "name": "Companion" })));
    assert_eq!(told[5]["histories"], json!([]));
    assert!(!window.history.is_empty() && window.cookie.starts_with("anima_visitor="));
}

#[tokio::test]
async fn sentences_come_with_expressions_and_silences_that_last_as_long_as_speech() {
    let app = TestApp::start_with(vec![answering("far", ANSWER)], with_model).await;
    let mut window = Window::new(&app).await;
    let told = window.ask("如何应对压力").await;
    assert_eq!(
        kinds(&told),
        [
            "control",
            "full-text",
            "audio",
            "audio",
            "audio",
            "backend-synth-complete",
            "force-new-message",
            "control",
        ]
    );
    assert_eq!(told[0]["text"], "conversation-chain-start");
    assert_eq!(told[1]["text"], "Thinking...");
    assert_eq!(told[7]["text"], "conversation-chain-end");
    assert_eq!(texts(&told), SENTENCES);
    for sentence in &told[2..5] {
        assert_eq!(sentence["actions"], json!({ "expressions": [5] }), "{sentence}");
        let name = (&sentence["display_text"]["name"], &sentence["display_text"]["avatar"]);
        assert_eq!(name, (&json!("灵犀"), &json!("mao.png")));
        assert_eq!((&sentence["slice_length"], &sentence["volumes"]), (&json!(20), &json!([])));
    }
    let lengths: Vec<_> = told[2..5].iter().map(|sentence| wave(sentence).length).collect();
    assert!(lengths[0] < lengths[1] && lengths[1] < Duration::from_secs(5), "{lengths:?}");
    let exchanges = app.exchanges(&window.history).await;
    assert_eq!(exchanges[0]["heard"], SENTENCES.concat());
}

#[tokio::test]
async fn an_interrupt_stops_the_model_and_what_was_heard_is_what_counts() {
    let provider = playing("far", [half_an_answer().then(Step::Hang), Script::saying([ANSWER])]);
    let app = TestApp::start(vec![provider.clone()]).await;
    let mut window = Window::new(&app).await;
    window.say("如何应对压力").await;
    window.socket.until("full-text").await;
    window.play().await;
    window.socket.expect("audio").await;
    window.send(json!({ "type": "interrupt-signal", "text": SENTENCES[0] })).await;
    eventually("the model stops", || provider.running() == 0).await;
    let told = window.ask("谢谢").await;
    assert_eq!(told[0]["text"], "conversation-chain-start", "{told:?}");
    let shown = conversation(&provider.requests()[1]);
    assert_eq!(shown[1].1.trim_start_matches("[calm]"), SENTENCES[0]);
    let exchanges = app.exchanges(&window.history).await;
    assert_eq!(
        (&exchanges[0]["reason"], &exchanges[0]["heard"]),
        (&json!("interrupted"), &json!(SENTENCES[0]))
    );
}

#[tokio::test]
async fn what_has_begun_to_play_tells_what_was_heard_when_the_window_is_gone() {
    let app = TestApp::start(vec![answering("far", ANSWER)]).await;
    let mut window = Window::new(&app).await;
    window.say("如何应对压力").await;
    window.socket.until("full-text").await;
    window.play().await;
    window.play().await;
    window.settle().await;
    let history = window.history.clone();
    drop(window);
    let exchanges = app.exchanges(&history).await;
    assert_eq!(exchanges[0]["heard"], SENTENCES[0], "the second one has only begun");
}

#[tokio::test]
async fn two_visitors_know_nothing_of_each_other_and_one_finds_what_was_said() {
    let provider = playing("far", (0..3).map(|_| Script::saying(["好的。"])));
    let app = TestApp::start(vec![provider.clone()]).await;
    let mut mine = Window::new(&app).await;
    mine.ask("我叫小明").await;
    // Another visitor asks in the middle of the conversation.
    let mut other = Window::new(&app).await;
    other.ask("你好").await;
    mine.ask("我叫什么").await;
    let requests = provider.requests();
    assert_eq!(conversation(&requests[1]), [user("你好")]);
    let remembered = conversation(&requests[2]);
    assert_eq!(remembered, [user("我叫小明"), assistant("[neutral]好的。"), user("我叫什么")]);
    assert_eq!(other.histories().await.len(), 1);
    for kind in ["fetch-and-set-history", "delete-history"] {
        other.send(json!({ "type": kind, "history_uid": mine.history })).await;
    }
    other.socket.expect("error").await;
    assert_eq!(other.socket.expect("history-deleted").await["success"], false);

    let (mut again, told) = Window::open(&app, &mine.cookie).await;
    let found =
        &told.iter().find(|message| message["type"] == "history-list").unwrap()["histories"];
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found[0]["uid"], mine.history.as_str());
    assert_eq!(found[0]["latest_message"]["role"], "ai");
    assert_eq!(found[0]["latest_message"]["content"], "好的。");
    again.send(json!({ "type": "fetch-and-set-history", "history_uid": mine.history })).await;
    let data = again.socket.expect("history-data").await;
    let said: Vec<_> = data["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| (message["role"].as_str().unwrap(), message["content"].as_str().unwrap()))
        .collect();
    assert_eq!(
        said,
        [("human", "我叫小明"), ("ai", "好的。"), ("human", "我叫什么"), ("ai", "好的。")]
    );
    // The window before has lost it, and is told.
    mine.socket.expect("error").await;
    mine.socket.until("control").await;
    again.send(json!({ "type": "create-new-history" })).await;
    again.socket.expect("new-history-created").await;
    again.send(json!({ "type": "delete-history", "history_uid": mine.history })).await;
    assert_eq!(again.socket.expect("history-deleted").await["success"], true);
    assert_eq!(again.histories().await, [] as [Value; 0]);
}

#[tokio::test]
async fn another_persona_can_be_chosen() {
    let provider = playing("far", [Script::saying(["Hello."])]);
    let app = TestApp::start_with(vec![provider.clone()], |settings| {
        with_model(settings);
        let own = json!({ "url": "/live2d-models/other/other.model3.json" });
        let own = serde_json::from_value(json!({ "model": own, "avatar": "other.png" })).unwrap();
        settings.avatars.vtuber.personas.insert("companion".to_owned(), own);
    })
    .await;
    let mut window = Window::new(&app).await;
    window.send(json!({ "type": "switch-config", "file": "companion" })).await;
    let shown = window.socket.expect("set-model-and-conf").await;
    assert_eq!(
        (&shown["conf_uid"], &shown["conf_name"]),
        (&json!("companion"), &json!("Companion"))
    );
    assert_eq!(shown["model_info"]["url"], "/live2d-models/other/other.model3.json");
    window.socket.expect("config-switched").await;
    window.send(json!({ "type": "create-new-history" })).await;
    window.socket.expect("new-history-created").await;
    let told = window.ask("hi").await;
    let sentence = told.iter().find(|message| message["type"] == "audio").unwrap();
    assert_eq!(sentence["display_text"]["avatar"], "other.png");
    assert_eq!(sentence["actions"], Value::Null);
    let asked = crate::providers::system(&provider.requests()[0]);
    assert!(asked.contains("face-to-face"), "{asked}");
    window.send(json!({ "type": "switch-config", "file": "nobody.yaml" })).await;
    assert_eq!(window.socket.expect("set-model-and-conf").await["conf_uid"], "companion");
    let refused = window.socket.expect("error").await;
    assert!(refused["message"].as_str().unwrap().contains("nobody.yaml"), "{refused}");
}

#[tokio::test]
async fn what_cannot_be_done_is_told_as_the_client_shows_it() {
    let app = TestApp::start(vec![failing("far")]).await;
    let mut window = Window::new(&app).await;
    window.say("你好").await;
    let told =
        window.socket.until_that(|message| message["text"] == "conversation-chain-end").await;
    assert_eq!(
        kinds(&told),
        ["control", "full-text", "error", "force-new-message", "control"],
        "{told:?}"
    );
    window.say("  ").await;
    window.socket.expect("error").await;
    for piece in ["mic-audio-data", "raw-audio-data"] {
        window.send(json!({ "type": piece, "audio": [0.0, 0.1] })).await;
    }
    window.send(json!({ "type": "mic-audio-end" })).await;
    let told = window.socket.until("control").await;
    assert_eq!(kinds(&told), ["error", "control"]);
    window.send(json!({ "type": "add-client-to-group", "invitee_uid": "x" })).await;
    assert_eq!(window.socket.expect("group-operation-result").await["success"], false);
    window.send(json!({ "type": "request-group-info" })).await;
    window.socket.expect("group-update").await;
    window.send(json!({ "type": "request-init-config" })).await;
    assert_eq!(window.socket.expect("set-model-and-conf").await["model_info"], Value::Null);
    for text in ["{", "[]", "7"] {
        window.socket.send_text(text).await;
        window.socket.expect("error").await;
    }
    window.send(json!({ "type": "no-such-message" })).await;
    window.send(json!({ "type": "ai-speak-signal", "idle_time": 5 })).await;
    window.send(json!({ "type": "heartbeat" })).await;
    window.socket.expect("heartbeat-ack").await;
}

#[tokio::test]
async fn it_speaks_of_itself_when_it_is_told_how() {
    let provider = playing("far", [Script::saying(["今天天气真好。"])]);
    let app = TestApp::start_with(vec![provider.clone()], |settings| {
        settings.avatars.vtuber.proactive = Some("请主动说一句话".to_owned());
    })
    .await;
    let mut window = Window::new(&app).await;
    window.send(json!({ "type": "ai-speak-signal", "idle_time": 5 })).await;
    let told = window.socket.until("backend-synth-complete").await;
    assert_eq!(texts(&told), ["今天天气真好。"]);
    window.send(json!({ "type": "fetch-and-set-history", "history_uid": window.history })).await;
    let data = window.socket.until("history-data").await;
    let messages = data.last().unwrap()["messages"].as_array().unwrap();
    assert!(messages.iter().all(|message| message["role"] == "ai"), "{messages:?}");
}

#[tokio::test]
async fn a_turn_that_somebody_else_cuts_in_on_ends_for_the_window_too() {
    let app = TestApp::start(vec![hanging("far")]).await;
    let mut window = Window::new(&app).await;
    window.say("如何应对压力").await;
    window.socket.until("audio").await;
    let path = format!("/v1/sessions/{}/interrupt", window.history);
    app.post(&path, &json!({})).await;
    let told = window.socket.until("control").await;
    assert_eq!(kinds(&told)[told.len() - 2..], ["interrupt-signal", "control"]);
}

/// A server that speaks: it answers the first request with `answer`, every other one with status 500.
async fn speech_server(answer: Vec<u8>) -> (SocketAddr, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let mut asked = Vec::new();
        while asked.len() < SENTENCES.len() {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut buffer = [0; 4096];
                let read = stream.read(&mut buffer).await.unwrap();
                request.extend_from_slice(&buffer[..read]);
            }
            let request = String::from_utf8(request).unwrap();
            let spoken = request.contains(SENTENCES[0].trim_end_matches('，'));
            asked.push(request);
            let (status, body) = if spoken { (200, answer.as_slice()) } else { (500, &[][..]) };
            let head = format!(
                "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(body).await.unwrap();
        }
        asked
    });
    (address, serving)
}

#[tokio::test]
async fn speech_comes_from_a_server_and_silence_takes_its_place_when_that_fails() {
    let mut sound = Wave::silent(Duration::from_secs(1)).bytes;
    for (index, sample) in sound[44..].iter_mut().enumerate() {
        *sample = if index % 2 == 0 { 0x90 } else { 0x70 };
    }
    let (address, serving) = speech_server(sound.clone()).await;
    let app = TestApp::start_with(vec![answering("far", ANSWER)], |settings| {
        let speech = json!({ "base_url": format!("http://{address}/v1/"), "model": "tts",
            "voice": "anna", "extra": { "speed": 1.5 } });
        let speech: SpeechSettings = serde_json::from_value(speech).unwrap();
        settings.avatars.vtuber =
            VtuberSettings { speech: Some(speech), ..VtuberSettings::default() };
    })
    .await;
    let mut window = Window::new(&app).await;
    let told = window.ask("如何应对压力").await;
    assert_eq!(texts(&told), SENTENCES);
    let sentences: Vec<_> = told.iter().filter(|message| message["type"] == "audio").collect();
    assert_eq!(wave(sentences[0]).bytes, sound);
    assert_eq!(sentences[0]["volumes"].as_array().unwrap().len(), 50);
    for silent in &sentences[1..] {
        assert_eq!(silent["volumes"], json!([]), "{silent}");
        assert!(wave(silent).length > Duration::from_millis(500));
    }
    let asked = serving.await.unwrap();
    assert!(asked[0].starts_with("POST /v1/audio/speech HTTP/1.1"), "{}", asked[0]);
    for field in ["\"voice\":\"anna\"", "\"response_format\":\"wav\"", "\"speed\":1.5"] {
        assert!(asked[0].contains(field), "{}", asked[0]);
    }
}

/// A folder of files for clients, and one beside it that is none of their business.
fn files() -> Arc<TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    write("files/live2d-models/mao/mao.model3.json", "{\"Version\":3}");
    write("files/backgrounds/room.jpeg", "a picture");
    write("files/backgrounds/notes.txt", "no picture");
    write("files/avatars/mao.svg", "<svg/>");
    write("files/frontend/index.html", "<html></html>");
    write("files/live2d-models/.hidden", "hidden");
    write("secret.txt", "secret");
    let link = folder.path().join("files/live2d-models/link.txt");
    std::os::unix::fs::symlink(folder.path().join("secret.txt"), link).unwrap();
    Arc::new(folder)
}

#[tokio::test]
async fn what_the_client_loads_comes_out_of_its_folder_and_nothing_else_does() {
    let folder = files();
    let path = folder.path().join("files");
    let app = TestApp::start_with(vec![answering("far", ANSWER)], |settings| {
        settings.avatars.vtuber.files = Some(path);
    })
    .await;
    for (path, kind, content) in [
        ("/live2d-models/mao/mao.model3.json", "application/json", "{\"Version\":3}"),
        ("/bg/room.jpeg", "image/jpeg", "a picture"),
        ("/avatars/mao.svg", "image/svg+xml", "<svg/>"),
        ("/vtuber/", "text/html; charset=utf-8", "<html></html>"),
    ] {
        let request = app.request(Method::GET, path).header("origin", "http://localhost:3000");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let headers = response.headers();
        assert_eq!(headers["content-type"], kind);
        assert_eq!(headers["access-control-allow-origin"], "http://localhost:3000");
        assert_eq!(headers.contains_key("content-security-policy"), path != "/vtuber/");
        assert_eq!(response.text().await.unwrap(), content);
        let head = app.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!(head.headers()["content-length"], content.len().to_string().as_str());
    }
    for path in [
        "/live2d-models/",
        "/live2d-models/mao",
        "/live2d-models/absent.json",
        "/live2d-models/.hidden",
        "/live2d-models/link.txt",
        "/live2d-models/%2e%2e/%2e%2e/secret.txt",
        "/live2d-models/..%2f..%2fsecret.txt",
        "/bg/%2Fetc%2Fpasswd",
        "/bg//etc/passwd",
    ] {
        let response = app.request(Method::GET, path).send().await.unwrap();
        error(response, StatusCode::NOT_FOUND).await;
    }
    let page = app.request(Method::GET, "/bg/room.jpeg").header("origin", "https://evil.example");
    error(page.send().await.unwrap(), StatusCode::FORBIDDEN).await;
    let (_, told) = Window::open(&app, "").await;
    let backgrounds = told.iter().find(|message| message["type"] == "background-files").unwrap();
    assert_eq!(backgrounds["files"], json!(["room.jpeg"]));
    let nothing = TestApp::start(vec![answering("far", ANSWER)]).await;
    let response = nothing.request(Method::GET, "/bg/room.jpeg").send().await.unwrap();
    error(response, StatusCode::NOT_FOUND).await;
}
