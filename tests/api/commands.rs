//! What a client can send on the WebSocket, frame by frame.

use anima_provider::{Input, Step};
use serde_json::{Value, json};

use crate::{
    client::Client,
    helpers::{TestApp, eventually},
    providers::{
        ANSWER, Puppet, answering, conversation, failing, half_an_answer, hanging, playing, system,
        user,
    },
};

async fn app() -> TestApp {
    TestApp::start(vec![answering("demo", ANSWER), answering("other", "我是另一个。")]).await
}

#[tokio::test]
async fn hello_is_answered_with_who_answers_and_what_is_allowed() {
    let app = app().await;
    let (_client, welcome) = Client::hello(&app, &json!({})).await;
    assert_eq!(welcome["persona"], "lingxi");
    assert_eq!(welcome["provider"], "demo");
    assert_eq!(welcome["providers"], json!(["demo", "other"]));
    assert_eq!(welcome["resumed"], false);
    assert!(welcome["session"].as_str().is_some_and(|session| session.len() == 32));
    assert!(welcome["epoch"].as_str().is_some_and(|epoch| epoch.parse::<u64>().is_ok()));
    let limits = json!({
        "max_message_bytes": 1_048_576, "max_text_bytes": 32_768, "messages_per_minute": 600,
    });
    assert_eq!(welcome["limits"], limits);
    assert!(welcome.get("seq").is_none());
}

#[tokio::test]
async fn a_second_hello_is_an_error() {
    let app = app().await;
    let (mut client, _) = Client::hello(&app, &json!({})).await;
    client.send(&json!({ "type": "hello", "id": "again" })).await;
    assert_eq!(client.error("already_started").await["id"], "again");
    client.settle().await;
    // Where another frame came first, it has started the session.
    let mut client = Client::connect(&app).await;
    client.settle().await;
    client.send(&json!({ "type": "hello" })).await;
    client.error("already_started").await;
}

#[tokio::test]
async fn the_first_frame_is_answered_with_welcome_whatever_its_type() {
    let app = app().await;
    for (frame, answer) in [
        (json!({ "type": "say", "text": "你好" }), "accepted"),
        (json!({ "type": "speak", "text": "你好" }), "accepted"),
        (json!({ "type": "regenerate" }), "error"),
        (json!({ "type": "interrupt" }), "error"),
        (json!({ "type": "spoken", "turn": "none", "sentence": 0 }), "error"),
        (json!({ "type": "switch", "provider": "other" }), "switched"),
        (json!({ "type": "history" }), "history"),
        (json!({ "type": "clear" }), "cleared"),
        (json!({ "type": "ping" }), "pong"),
        (json!({ "type": "dance" }), "error"),
        (json!({ "type": "say" }), "error"),
    ] {
        let mut client = Client::connect(&app).await;
        client.send(&frame).await;
        assert_eq!(client.next().await["type"], "welcome", "{frame}");
        assert_eq!(client.next().await["type"], answer, "{frame}");
    }
}

#[tokio::test]
async fn a_hello_that_cannot_be_obeyed_can_be_corrected() {
    let app = app().await;
    let mut client = Client::connect(&app).await;
    for (hello, code) in [
        (json!({ "type": "hello", "provider": "dmo" }), "model_not_found"),
        (json!({ "type": "hello", "persona": "nobody" }), "model_not_found"),
        (json!({ "type": "hello", "sampling": { "temperature": 3 } }), "invalid_value"),
        (json!({ "type": "hello", "playback": "maybe" }), "invalid_type"),
        (json!({ "type": "hello", "resume_from": "yesterday" }), "invalid_type"),
    ] {
        client.send(&hello).await;
        client.error(code).await;
    }
    client.send(&json!({ "type": "hello", "provider": "other" })).await;
    assert_eq!(client.next().await["provider"], "other");
}

#[tokio::test]
async fn a_session_that_is_not_known_gets_a_fresh_id() {
    let app = app().await;
    for wanted in ["never-seen", "", "../../etc/passwd", "a b", &"x".repeat(1000)] {
        let (_client, session) = Client::join(&app, wanted).await;
        assert_ne!(session, wanted);
    }
}

#[tokio::test]
async fn hello_chooses_for_the_session() {
    let other = answering("other", "[joy]Hello there, dear friend.");
    let app = TestApp::start(vec![answering("demo", ANSWER), other.clone()]).await;
    let hello = json!({
        "persona": "companion", "provider": "other", "sampling": { "temperature": 0.5, "top_k": 7 },
    });
    let (mut client, welcome) = Client::hello(&app, &hello).await;
    assert_eq!((&welcome["persona"], &welcome["provider"]), (&json!("companion"), &json!("other")));
    client.ask("one", "Hi").await.finished("complete");
    // What the frame says is stronger than what hello said.
    let say = json!({
        "type": "say", "turn": "two", "text": "Hi", "sampling": { "temperature": 0.25 },
    });
    client.send(&say).await;
    client.turn("two").await.finished("complete");
    let requests = other.requests();
    assert!(system(&requests[0]).contains("face-to-face"), "{}", system(&requests[0]));
    let drawn =
        |index: usize| (requests[index].sampling.temperature, requests[index].sampling.top_k);
    assert_eq!(drawn(0), (Some(0.5), Some(7)));
    assert_eq!(drawn(1), (Some(0.25), Some(7)));
}

#[tokio::test]
async fn say_chooses_for_its_turn() {
    let other = answering("other", "Yes. We can talk about it.");
    let app = TestApp::start(vec![answering("demo", ANSWER), other.clone()]).await;
    let (mut client, _) = Client::join(&app, "").await;
    client.ask("one", "一").await;
    client.ask("two", "二").await;
    let say = json!({
        "type": "say", "turn": "three", "text": "Three?", "provider": "other", "style": "chat",
        "persona": "companion", "turns": 1, "knowledge": ["The shop closes at nine."],
        "sampling": { "max_tokens": 50, "stop": ["END"] }, "unknown": { "is": "ignored" },
    });
    client.send(&say).await;
    let told = client.turn("three").await;
    assert_eq!(told.all("started")[0]["provider"], "other");
    let request = &other.requests()[0];
    assert!(system(request).contains("The shop closes at nine."));
    assert_eq!(request.sampling.max_tokens, Some(50));
    assert_eq!(request.sampling.stop, ["END"]);
    let said = conversation(request);
    assert_eq!(said.iter().map(|(_, text)| text.as_str()).next(), Some("二"));
    assert_eq!(said.len(), 3);
    // The next turn is the session's again.
    assert_eq!(client.ask("four", "四").await.all("started")[0]["provider"], "demo");
}

#[tokio::test]
async fn images_are_data_urls_and_go_to_models_that_look_at_them() {
    let (puppet, mut hand) = Puppet::new("eyes");
    let app = TestApp::start(vec![answering("demo", ANSWER), puppet]).await;
    let (mut client, _) = Client::join(&app, "").await;
    let image = "data:image/png;base64,iVBORw0KGgo=";
    let say = |provider: &str, image: &str| json!({ "type": "say", "turn": provider, "text": "这是什么", "images": [image], "provider": provider });
    client.send(&say("eyes", image)).await;
    let asked = hand.admitted().await;
    let Input::Chat { messages, .. } = &asked.request.input else { panic!() };
    assert_eq!(messages[0].images[0].0, image);
    asked.say("一张图。");
    asked.finish();
    client.turn("eyes").await.finished("complete");
    // Here everybody who could take over has no eyes, but for the puppet.
    client.send(&say("demo", "file:///etc/passwd")).await;
    client.error("invalid_value").await;
    client.send(&json!({ "type": "say", "text": "?", "images": vec![image; 9] })).await;
    client.error("invalid_value").await;
}

#[tokio::test]
async fn a_model_without_eyes_is_no_help_with_images() {
    let app = TestApp::start(vec![answering("demo", ANSWER)]).await;
    let (mut client, _) = Client::join(&app, "").await;
    let say = json!({
        "type": "say", "turn": "one", "text": "?", "images": ["data:image/png;base64,iVBORw0KGgo="],
    });
    client.send(&say).await;
    assert_eq!(client.turn("one").await.failed(), "unsupported");
}

#[tokio::test]
async fn a_turn_without_an_id_gets_one() {
    let app = app().await;
    let (mut client, _) = Client::join(&app, "").await;
    client.send(&json!({ "type": "say", "text": "你好" })).await;
    let accepted = client.next_of_type("accepted").await;
    let turn = accepted["turn"].as_str().unwrap().to_owned();
    assert_eq!(turn.len(), 32);
    client.next_of_turn(&turn, "finished").await;
}

#[tokio::test]
async fn speak_says_exactly_the_text() {
    let model = failing("demo");
    let app = TestApp::start(vec![model.clone()]).await;
    let (mut client, session) = Client::join(&app, "").await;
    let text = "欢迎光临！今天有什么可以帮您？ This is a **long** text that no budget cuts: one two \
                three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen \
                sixteen seventeen eighteen nineteen twenty.";
    client.send(&json!({ "type": "speak", "turn": "one", "text": format!("[joy]{text}") })).await;
    let told = client.turn("one").await;
    assert_eq!(told.finished("complete"), text);
    assert_eq!(told.all("sentence")[0]["emotion"], "joy");
    assert!(told.all("sentence").len() >= 3);
    assert!(told.all("started").is_empty());
    assert!(model.requests().is_empty());
    let exchanges = app.exchanges(&session).await;
    assert_eq!(exchanges[0]["said"], Value::Null);
    assert_eq!(exchanges[0]["text"], text);
}

#[tokio::test]
async fn switch_holds_from_the_next_turn_on() {
    let other = playing("other", [half_an_answer().then(Step::Hang)]);
    let app = TestApp::start(vec![hanging("demo"), other.clone()]).await;
    let (mut client, _) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    client.sentences("one", 2).await;
    client.send(&json!({ "type": "switch", "provider": "other", "persona": "companion" })).await;
    let switched = client.next_of_type("switched").await;
    assert_eq!(
        switched,
        json!({ "type": "switched", "persona": "companion", "provider": "other" })
    );
    assert!(other.requests().is_empty(), "the running turn keeps its provider");
    client.say("two", "你好").await;
    assert_eq!(client.turn("one").await.finished("interrupted"), "先深呼吸，把大事拆成小步。");
    assert_eq!(client.next_of_turn("two", "started").await["provider"], "other");
    assert!(system(&other.requests()[0]).contains("面对面"));
}

#[tokio::test]
async fn switch_changes_what_it_names_and_nothing_else() {
    let app = app().await;
    let (mut client, _) = Client::join(&app, "").await;
    let mut switch = async |fields: Value| {
        let mut frame = json!({ "type": "switch" });
        frame.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        client.send(&frame).await;
        let answer = client.next().await;
        match answer["type"].as_str().unwrap() {
            "switched" => format!("{}, {}", answer["persona"], answer["provider"]),
            _ => answer["code"].to_string(),
        }
    };
    assert_eq!(switch(json!({ "provider": "other" })).await, r#""lingxi", "other""#);
    assert_eq!(switch(json!({ "persona": "companion" })).await, r#""companion", "other""#);
    assert_eq!(switch(json!({})).await, r#""companion", "other""#);
    assert_eq!(switch(json!({ "provider": "nobody" })).await, r#""model_not_found""#);
    let half = json!({ "persona": "lingxi", "provider": "nobody" });
    assert_eq!(switch(half).await, r#""model_not_found""#);
    assert_eq!(switch(json!({})).await, r#""companion", "other""#);
}

#[tokio::test]
async fn history_is_the_newest_exchanges_oldest_first() {
    let app = app().await;
    let (mut client, _) = Client::join(&app, "").await;
    client.send(&json!({ "type": "history" })).await;
    assert_eq!(client.next().await, json!({ "type": "history", "exchanges": [] }));
    for turn in ["one", "two", "three"] {
        client.ask(turn, &format!("问题 {turn}")).await;
    }
    client.send(&json!({ "type": "history", "limit": 2 })).await;
    let history = client.next_of_type("history").await;
    let exchanges = history["exchanges"].as_array().unwrap();
    assert_eq!(
        exchanges.iter().map(|exchange| &exchange["turn"]).collect::<Vec<_>>(),
        ["two", "three"]
    );
    let last = &exchanges[1];
    assert_eq!(last["said"], "问题 three");
    assert_eq!(last["text"], "先深呼吸，把大事拆成小步。累了就休息一会儿。");
    assert_eq!(last["heard"], last["text"]);
    assert_eq!((&last["state"], &last["reason"]), (&json!("finished"), &json!("complete")));
    assert_eq!((&last["provider"], &last["model"]), (&json!("demo"), &json!("scripted")));
    assert_eq!((&last["position"], &last["sentences"][0]["emotion"]), (&json!(2), &json!("calm")));
}

#[tokio::test]
async fn clear_forgets_the_exchanges_and_keeps_the_session() {
    let demo = answering("demo", "好的。");
    let app = TestApp::start(vec![demo.clone(), answering("other", "好。")]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.ask("one", "记住七").await;
    client.send(&json!({ "type": "switch", "provider": "demo" })).await;
    client.next_of_type("switched").await;
    client.send(&json!({ "type": "clear" })).await;
    assert_eq!(client.next_of_type("cleared").await, json!({ "type": "cleared" }));
    assert!(app.exchanges(&session).await.is_empty());
    // The id is free again, and the model is shown nothing of before.
    let told = client.ask("one", "什么数").await;
    assert!(told.frames[0].get("replay").is_none());
    assert_eq!(conversation(&demo.requests()[1]), [user("什么数")]);
}

#[tokio::test]
async fn clear_interrupts_a_running_turn_first() {
    let demo = hanging("demo");
    let app = TestApp::start(vec![demo.clone()]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client.say("one", "你好").await;
    client.sentences("one", 2).await;
    client.send(&json!({ "type": "clear" })).await;
    client.turn("one").await.finished("interrupted");
    assert_eq!(client.next().await["type"], "cleared");
    eventually("the model stops", || demo.running() == 0).await;
    assert!(app.exchanges(&session).await.is_empty());
    client.say("two", "还在吗").await;
    client.sentences("two", 2).await;
}

#[tokio::test]
async fn errors_repeat_the_id_and_leave_the_socket_open() {
    let app = app().await;
    let (mut client, _) = Client::join(&app, "").await;
    for (frame, code) in [
        (json!({ "type": "dance", "id": "a" }), "unknown_event_type"),
        (json!({ "type": "SAY", "text": "你好", "id": 7 }), "unknown_event_type"),
        (json!({ "type": "say", "id": "b" }), "invalid_value"),
        (json!({ "type": "say", "text": " \n\t", "id": "c" }), "empty_input"),
        (json!({ "type": "say", "text": "x".repeat(32 * 1024 + 1), "id": "d" }), "input_too_long"),
        (json!({ "type": "say", "text": 5, "id": "e" }), "invalid_type"),
        (json!({ "type": "say", "text": "?", "turn": "a b", "id": "f" }), "invalid_type"),
        (
            json!({ "type": "say", "text": "?", "sampling": { "top_p": 0 }, "id": "g" }),
            "invalid_value",
        ),
        (
            json!({ "type": "say", "text": "?", "sampling": { "heat": 1 }, "id": "h" }),
            "invalid_type",
        ),
        (json!({ "type": "say", "text": "?", "provider": "nobody", "id": "i" }), "model_not_found"),
        (json!({ "type": "say", "text": "?", "style": "nothing", "id": "j" }), "model_not_found"),
        (json!({ "type": "speak", "id": "k" }), "invalid_value"),
        (json!({ "type": "spoken", "id": "l" }), "invalid_type"),
        (json!({ "type": "spoken", "turn": "x", "sentence": -1, "id": "m" }), "invalid_type"),
        (json!({ "type": "spoken", "turn": "x", "sentence": 0, "id": "n" }), "turn_not_found"),
        (json!({ "type": "interrupt", "id": "o" }), "turn_not_found"),
        (json!({ "type": "interrupt", "turn": "x", "id": "p" }), "turn_not_found"),
        (json!({ "type": "regenerate", "id": "q" }), "turn_not_found"),
        (json!({ "type": "history", "limit": "all", "id": "r" }), "invalid_type"),
        (json!({ "type": 5, "id": "s" }), "invalid_event"),
        (json!({ "id": "t" }), "invalid_event"),
    ] {
        client.send(&frame).await;
        let error = client.error(code).await;
        assert_eq!(error["id"], frame["id"], "{frame}");
    }
    for text in
        ["", "{", "null", "42", "[]", "{}", "[{\"type\":\"ping\"}]", "{\"type\":\"ping\"} x"]
    {
        client.send_text(text).await;
        let error = client.next_of_type("error").await;
        let code = error["code"].as_str().unwrap();
        assert!(code == "invalid_json" || code == "invalid_event", "{text}: {error}");
    }
    client.send_text(&format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000))).await;
    client.error("invalid_event").await;
    client.ask("after", "你好").await.finished("complete");
}

#[tokio::test]
async fn an_error_names_the_turn_it_is_about() {
    let app = app().await;
    let (mut client, _) = Client::join(&app, "").await;
    client.send(&json!({ "type": "interrupt", "turn": "nobody-s" })).await;
    assert_eq!(client.error("turn_not_found").await["turn"], "nobody-s");
    client.send(&json!({ "type": "say", "turn": "mine", "text": "?", "provider": "nobody" })).await;
    assert_eq!(client.error("model_not_found").await["turn"], "mine");
}

#[tokio::test]
async fn the_text_of_a_person_is_kept_as_it_came() {
    let app = app().await;
    let (mut client, session) = Client::join(&app, "").await;
    let text = "  你好\u{0}\u{202E}\u{200D}\r\n<script>{{7*7}}</script> \"'\\ 👨‍👩‍👧  ";
    client.ask("one", text).await.finished("complete");
    assert_eq!(app.exchanges(&session).await[0]["said"], text);
}

#[tokio::test]
async fn a_history_frame_holds_as_many_of_the_newest_exchanges_as_fit() {
    let app = TestApp::start(vec![answering("demo", "你好。")]).await;
    let (mut client, session) = Client::join(&app, "").await;
    let long = "x".repeat(30_000);
    for turn in ["one", "two", "three", "four", "five", "six"] {
        client.ask(turn, &format!("{turn}{long}")).await;
    }
    client.send(&json!({ "type": "history" })).await;
    let history = client.next_of_type("history").await;
    let shown: Vec<_> =
        history["exchanges"].as_array().unwrap().iter().map(|one| one["turn"].clone()).collect();
    assert_eq!(shown, ["three", "four", "five", "six"]);
    // Nothing is lost by it.
    assert_eq!(app.exchanges(&session).await.len(), 6);
}
