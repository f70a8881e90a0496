//! Avatars of Fay, over their own listener.

use anima::settings::{FaySettings, Settings};
use anima_provider::{Script, Step};
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::http::StatusCode as HandshakeStatus;

use crate::{
    access::guarded_by_tenants,
    client::Client,
    helpers::{TestApp, error, http, json as body, once_each},
    json_socket::{JsonSocket, Refused},
    providers::{
        ANSWER, Puppet, SENTENCES, answering, assistant, conversation, half_an_answer, playing,
        user,
    },
};

fn listening(settings: &mut Settings) {
    settings.avatars.fay = Some(FaySettings { listen: ([127, 0, 0, 1], 0).into() });
}

async fn try_open(app: &TestApp, headers: &[(&'static str, &str)]) -> Result<JsonSocket, Refused> {
    JsonSocket::try_open_at(app.fay.unwrap(), "/", headers).await
}

/// An avatar that shows this person, with sounds or without.
async fn avatar(app: &TestApp, name: &str, sounds: impl Into<Value>) -> JsonSocket {
    let mut socket = try_open(app, &[]).await.expect("the handshake was refused");
    socket.send(&json!({ "Username": name, "Output": sounds.into() })).await;
    socket
}

/// Waits until everything that was sent before has been obeyed, and counts the frames that came.
async fn settle(socket: &mut JsonSocket, name: &str) -> usize {
    socket.send(&json!([])).await;
    let is_refused = |frame: &Value| {
        let line = frame["Data"]["Value"].as_str().unwrap_or_default();
        frame["Username"] == name && line.starts_with("[!]")
    };
    socket.until_that(is_refused).await.len()
}

fn request(app: &TestApp, method: Method, path: &str) -> RequestBuilder {
    http().request(method, format!("http://{}{path}", app.fay.unwrap()))
}

async fn send(app: &TestApp, form: &Value) -> (StatusCode, Value) {
    let request = request(app, Method::POST, "/api/send");
    let mut encoded = Url::parse("http://form").unwrap();
    encoded.query_pairs_mut().append_pair("data", &form.to_string());
    let kind = "application/x-www-form-urlencoded";
    let request = request.header("content-type", kind).body(encoded.query().unwrap().to_owned());
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, body(response, status).await)
}

fn data(frame: &Value, name: &str) -> Value {
    assert_eq!((&frame["Topic"], &frame["Username"]), (&json!("human"), &json!(name)), "{frame}");
    frame["Data"].clone()
}

fn text(value: &str, first: u8, end: u8) -> Value {
    json!({ "Key": "text", "Value": value, "IsFirst": first, "IsEnd": end })
}

/// The data of all frames up to the end of the texts of an answer.
async fn answer(socket: &mut JsonSocket, name: &str) -> Vec<Value> {
    let frames = socket.until_that(|frame| frame["Data"]["IsEnd"] == 1).await;
    frames.iter().map(|frame| data(frame, name)).collect()
}

#[tokio::test]
async fn what_is_sent_is_answered_to_every_avatar_of_the_person_and_to_nobody_else() {
    let model = answering("far", ANSWER);
    let app = TestApp::start_with(vec![model.clone()], listening).await;
    let (mut one, mut two) =
        (avatar(&app, "张三", false).await, avatar(&app, "张三", "False").await);
    let mut other = avatar(&app, "李四", 0).await;
    // Whoever has been answered is known by their name.
    for (socket, name) in [(&mut one, "张三"), (&mut two, "张三"), (&mut other, "李四")] {
        assert_eq!(settle(socket, name).await, 1, "nothing else has come");
    }
    let sent = send(&app, &json!({ "username": "张三", "msg": "如何应对压力" })).await;
    assert_eq!(sent, (StatusCode::OK, json!({ "result": "successful" })));
    let mut expected = vec![
        json!({ "Key": "question", "Value": "如何应对压力" }),
        json!({ "Key": "log", "Value": "思考中..." }),
    ];
    expected.extend((0..).zip(SENTENCES).map(|(at, it)| text(it, u8::from(at == 0), 0)));
    expected.push(text("", 0, 1));
    assert_eq!(answer(&mut one, "张三").await, expected);
    assert_eq!(answer(&mut two, "张三").await, expected);
    // Over the socket itself, and in the same conversation.
    let said = json!({ "Topic": "human", "Data": { "Key": "question", "Value": "然后呢" } });
    one.send(&said).await;
    assert_eq!(answer(&mut two, "张三").await[0]["Value"], "然后呢");
    let shown = [user("如何应对压力"), assistant(ANSWER), user("然后呢")];
    assert_eq!(conversation(&model.requests()[1]), shown);
    other.send(&said).await;
    assert_eq!(answer(&mut other, "李四").await.len(), 6, "nothing came before its own");
    assert_eq!(conversation(&model.requests()[2]), [user("然后呢")]);
}

#[tokio::test]
async fn with_output_sentences_come_with_a_sound_a_sentiment_and_a_gesture() {
    let model = answering("far", "[joy][animation:wave]您好，欢迎光临。请进。");
    let app = TestApp::start_with(vec![model], listening).await;
    let mut socket = avatar(&app, "User", true).await;
    socket.send(&json!({ "Data": { "Key": "question", "Value": "你好" } })).await;
    let is_last = |frame: &Value| frame["Data"]["Key"] == "audio" && frame["Data"]["IsEnd"] == 1;
    let frames = socket.until_that(is_last).await;
    let audio: Vec<_> = frames.iter().filter(|it| it["Data"]["Key"] == "audio").collect();
    let texts: Vec<_> = frames.iter().filter(|it| it["Data"]["Key"] == "text").collect();
    assert_eq!(audio.len(), texts.len(), "{frames:#?}");
    let first = &audio[0]["Data"];
    assert_eq!((&first["IsFirst"], &first["Sentiment"]), (&json!(1), &json!(2)), "{first}");
    let action = json!({ "code": "wave", "behavior": "wave", "affect": "joy", "intensity": 0.5,
        "priority": 50, "matchedKeywords": [], "sentimentHint": 2 });
    assert_eq!(first["Action"], action);
    assert_eq!(first["Text"], texts[0]["Data"]["Value"]);
    let numbers: Vec<_> = audio.iter().map(|it| it["Data"]["CONV_MSG_NO"].clone()).collect();
    assert_eq!(numbers, (0..audio.len()).map(|it| json!(it)).collect::<Vec<_>>());
    assert!(audio.iter().all(|it| it["Data"]["CONV_ID"] == first["CONV_ID"]));
    let sound = http().get(first["HttpValue"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(sound.headers()["content-type"], "audio/wav");
    let sound = sound.bytes().await.unwrap();
    let seconds = first["Time"].as_f64().unwrap();
    let rate = u32::from_le_bytes(sound[28..32].try_into().unwrap());
    let length = u32::from_le_bytes(sound[40..44].try_into().unwrap());
    assert_eq!(sound.len(), 44 + length as usize);
    assert!((f64::from(length) / f64::from(rate) - seconds).abs() < 0.01, "{seconds}");
    let exchanges = app.exchanges("fay.User").await;
    assert_eq!(exchanges[0]["said"], "你好");
    for bad in ["30001", "-1", "x", "99999999999999999999"] {
        let path = format!("/audio/{bad}.wav");
        let response = request(&app, Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{bad}");
    }
}

#[tokio::test]
async fn stopping_ends_the_answer_and_nothing_more_of_it_comes() {
    let scripts = [half_an_answer().then(Step::Hang), half_an_answer().then(Step::Hang)];
    let model = playing("far", scripts.into_iter().chain([Script::saying(["好。"])]));
    let app = TestApp::start_with(vec![model], listening).await;
    let mut socket = avatar(&app, "张三", false).await;
    let question = json!({ "Data": { "Key": "question", "Value": "如何应对压力" } });
    for way in ["call", "frame"] {
        socket.send(&question).await;
        socket.until_that(|frame| frame["Data"]["Value"] == SENTENCES[1]).await;
        if way == "call" {
            let stop = request(&app, Method::POST, "/to-stop-talking");
            let stop = stop.json(&json!({ "username": "张三" })).send().await.unwrap();
            let expected = json!({ "status": "success", "data": "interrupted",
                "msg": "已停止用户 张三 的说话" });
            assert_eq!(body(stop, StatusCode::OK).await, expected);
        } else {
            socket.send(&json!({ "Data": { "Key": "interrupt" } })).await;
        }
        assert_eq!(data(&socket.next().await, "张三"), text("", 0, 1));
        let silent = json!({ "Key": "log", "Value": "" });
        assert_eq!(data(&socket.next().await, "张三"), silent);
    }
    socket.send(&question).await;
    assert_eq!(answer(&mut socket, "张三").await.len(), 4);
    // Who has never said anything is silent already.
    let stop = request(&app, Method::POST, "/to-stop-talking").send().await.unwrap();
    assert_eq!(body(stop, StatusCode::OK).await["status"], "success");
}

#[tokio::test]
async fn an_answer_over_another_surface_is_shown_and_who_joins_gets_all_of_it() {
    let (puppet, mut hand) = Puppet::new("far");
    let app = TestApp::start_with(vec![puppet], |settings| {
        listening(settings);
        once_each(settings);
    })
    .await;
    let mut early = avatar(&app, "User", false).await;
    let (mut client, _) = Client::join(&app, "fay.User").await;
    client.say("one", "你好").await;
    let asked = hand.admitted().await;
    asked.say("好的。没有");
    early.until_that(|frame| frame["Data"]["Value"] == "好的。").await;
    // It shows another person first.
    let mut late = avatar(&app, "李四", false).await;
    settle(&mut late, "李四").await;
    late.send(&json!({ "Username": "User" })).await;
    let frames = late.until_that(|frame| frame["Data"]["Value"] == "好的。").await;
    assert_eq!(frames[0]["Data"], json!({ "Key": "question", "Value": "你好" }));
    asked.say("问题。");
    asked.finish();
    for socket in [&mut early, &mut late] {
        assert_eq!(answer(socket, "User").await, [text("没有问题。", 0, 0), text("", 0, 1)]);
    }
    // What was answered is told again to whoever asks again, and not shown again.
    client.turn("one").await;
    client.ask_again(&json!({ "type": "say", "turn": "one", "text": "你好" })).await;
    // A turn that fails ends, too.
    client.say("two", "你好").await;
    drop(hand.admitted().await);
    let told = answer(&mut early, "User").await;
    assert_eq!(told[0], json!({ "Key": "question", "Value": "你好" }));
    assert!(told[2]["Key"] == "log" && told[2]["Value"] != "", "{told:?}");
    assert_eq!(told.last().unwrap(), &text("", 1, 1));
}

#[tokio::test]
async fn what_cannot_be_taken_is_told_and_leaves_the_socket_open() {
    let app = TestApp::start_with(vec![answering("far", "好。")], listening).await;
    let mut socket = avatar(&app, "User", false).await;
    let long = "长".repeat(65);
    for (frame, part) in [
        ("nonsense".to_owned(), "JSON"),
        ("[]".to_owned(), "object"),
        (json!({ "Username": "" }).to_string(), "name"),
        (json!({ "Username": long }).to_string(), "name"),
        (json!({ "Username": 7 }).to_string(), "string"),
        (json!({ "Data": { "Key": "question" } }).to_string(), "Value"),
        (json!({ "Data": { "Key": "question", "Value": " " } }).to_string(), "empty"),
    ] {
        socket.send_text(&frame).await;
        let told = data(&socket.next().await, "User");
        assert_eq!(told["Key"], "log", "{frame}");
        let line = told["Value"].as_str().unwrap();
        assert!(line.starts_with("[!] ") && line.contains(part), "{frame}: {line}");
    }
    // What Fay does not know, it passes over.
    socket.send(&json!({ "Data": { "Key": "dance", "Value": "x" }, "More": 1 })).await;
    socket.send(&json!({ "Data": { "Key": "question", "Value": "你好" } })).await;
    assert_eq!(answer(&mut socket, "User").await.len(), 4);
    for form in [
        json!({ "username": "", "msg": "你好" }),
        json!({ "username": "User", "msg": "" }),
        json!({ "username": "User" }),
        json!([]),
    ] {
        let (status, told) = send(&app, &form).await;
        assert_eq!((status, &told["result"]), (StatusCode::BAD_REQUEST, &json!("error")), "{form}");
        assert!(told["message"].as_str().is_some_and(|message| !message.is_empty()), "{form}");
    }
    let none = request(&app, Method::POST, "/api/send").body("x=1").send().await.unwrap();
    assert_eq!(body(none, StatusCode::BAD_REQUEST).await["result"], "error");
    // Nothing else is on this listener, and its paths are not on the other one.
    for path in ["/v1/sessions", "/ws", "/metrics", "/healthz"] {
        let response = request(&app, Method::GET, path).send().await.unwrap();
        error(response, StatusCode::NOT_FOUND).await;
    }
    error(app.post("/api/send", &json!({})).await, StatusCode::NOT_FOUND).await;
    let other = request(&app, Method::GET, "/api/send").send().await.unwrap();
    assert_eq!(other.headers()["allow"], "POST");
    error(other, StatusCode::METHOD_NOT_ALLOWED).await;
}

#[tokio::test]
async fn the_socket_has_the_bounds_of_all_sockets() {
    let app = TestApp::start_with(vec![answering("far", "好。")], |settings| {
        listening(settings);
        settings.server.max_message_bytes = 1000;
        settings.server.messages_per_minute = 5;
    })
    .await;
    let mut socket = try_open(&app, &[]).await.unwrap();
    socket.send_text(&"x".repeat(1001)).await;
    assert_eq!(socket.closed().await, 1009);
    let mut socket = try_open(&app, &[]).await.unwrap();
    for _ in 0..7 {
        socket.send(&json!({})).await;
    }
    let told = socket.next().await;
    assert!(told["Data"]["Value"].as_str().unwrap().contains("too many"), "{told}");
    assert_eq!(socket.closed().await, 4003);
    for origin in ["http://evil.example", "null"] {
        let refused = try_open(&app, &[("origin", origin)]).await.err().unwrap();
        assert_eq!(refused.status, HandshakeStatus::FORBIDDEN);
        assert_eq!(refused.body["error"]["code"], "origin_not_allowed");
    }
    assert!(try_open(&app, &[("origin", "http://localhost:3000")]).await.is_ok());
    let named = request(&app, Method::POST, "/api/send").header("host", "evil.example");
    let refused = error(named.send().await.unwrap(), StatusCode::FORBIDDEN).await;
    assert_eq!(refused["code"], "host_not_allowed");
    let mut last = try_open(&app, &[]).await.unwrap();
    last.send(&json!({ "Output": false })).await;
    let stopping = app.begin_stop();
    assert_eq!(last.closed().await, 1012);
    stopping.ended().await;
}

#[tokio::test]
async fn where_keys_are_needed_a_person_of_the_same_name_is_another_one_for_each_tenant() {
    let service = guarded_by_tenants(listening).await;
    let app = service.app();
    let refused = try_open(app, &[]).await.err().unwrap();
    assert_eq!(refused.status, HandshakeStatus::UNAUTHORIZED);
    for (method, path) in [
        (Method::POST, "/api/send"),
        (Method::POST, "/to-stop-talking"),
        (Method::GET, "/audio/1.wav"),
    ] {
        let refused = request(app, method, path).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    let bearer = |tenant: &str| format!("Bearer {}", service.key(tenant));
    let (museum, bank) = (bearer("museum"), bearer("bank"));
    let mut museum = try_open(app, &[("authorization", &museum)]).await.unwrap();
    let mut bank = try_open(app, &[("authorization", &bank)]).await.unwrap();
    let question =
        json!({ "Output": false, "Data": { "Key": "question", "Value": "如何应对压力" } });
    museum.send(&question).await;
    assert_eq!(answer(&mut museum, "User").await.len(), 6);
    bank.send(&question).await;
    assert_eq!(answer(&mut bank, "User").await.len(), 6, "nothing of the other one came before");
}

#[tokio::test]
async fn without_the_key_there_is_no_listener() {
    let app = TestApp::start(vec![answering("far", "好。")]).await;
    assert!(app.fay.is_none());
    let document = app.get("/openapi.json").await;
    assert_eq!(document["paths"]["/api/send"]["post"]["tags"], json!(["Fay"]));
}
