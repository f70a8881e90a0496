//! `GET /v1/realtime`, as clients of `OpenAI`'s Realtime API use it.

use std::{collections::HashSet, sync::Arc};

use anima_provider::{
    Capabilities, FinishReason, Input, ProviderEvent, Role, Script, ScriptedProvider, Step,
    ToolChoice, ToolDelta, Usage,
};
use serde_json::{Value, json};

use crate::{
    helpers::{TestApp, eventually},
    json_socket::{JsonSocket, kinds},
    providers::{
        ANSWER, Puppet, SENTENCES, answering, assistant, conversation, hanging, playing, system,
        unavailable, user,
    },
};

const PATH: &str = "/v1/realtime";

/// Opens a dialogue and gives its session.
async fn open(app: &TestApp, path: &str) -> (JsonSocket, Value) {
    let mut socket = JsonSocket::open(app, path).await;
    let mut created = socket.expect("session.created").await;
    (socket, created["session"].take())
}

fn message(id: &str, text: &str) -> Value {
    json!({ "type": "message", "id": id, "role": "user",
        "content": [{ "type": "input_text", "text": text }] })
}

/// Creates a message of the user.
async fn say(socket: &mut JsonSocket, id: &str, text: &str) {
    let item = message(id, text);
    socket.send(&json!({ "type": "conversation.item.create", "item": item })).await;
    socket.expect("conversation.item.added").await;
    socket.expect("conversation.item.done").await;
}

async fn respond(socket: &mut JsonSocket, fields: Value) -> Vec<Value> {
    socket.send(&json!({ "type": "response.create", "response": fields })).await;
    socket.until("response.done").await
}

/// Sends an event that cannot be obeyed, and gives the error.
async fn refused(socket: &mut JsonSocket, event: Value) -> Value {
    let mut event = event;
    event["event_id"] = json!("mine");
    socket.send(&event).await;
    let told = socket.expect("error").await;
    assert!(told["event_id"].is_string(), "{told}");
    let error = &told["error"];
    assert_eq!(error["event_id"], "mine", "{told}");
    assert!(error["message"].is_string() && error["type"].is_string(), "{told}");
    error.clone()
}

/// No field of an event is null, but for those that may be.
fn assert_no_nulls(value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                assert!(!value.is_null() || name == "previous_item_id", "{name} in {fields:?}");
                assert_no_nulls(value);
            }
        }
        Value::Array(values) => values.iter().for_each(assert_no_nulls),
        _ => {}
    }
}

#[tokio::test]
async fn a_response_comes_in_the_order_of_the_api() {
    let provider = playing("far", [Script::saying(["<think>hm</think>", "你", "好"])]);
    let app = TestApp::start(vec![provider.clone()]).await;
    let (mut socket, session) = open(&app, "/v1/realtime?model=far").await;
    assert_eq!((&session["type"], &session["model"]), (&json!("realtime"), &json!("far")));
    assert_eq!(session["output_modalities"], json!(["text"]));
    assert_eq!(session["max_output_tokens"], "inf");

    let update = json!({ "instructions": "be kind", "type": "realtime", "audio": {} });
    socket.send(&json!({ "type": "session.update", "session": update })).await;
    let updated = socket.expect("session.updated").await;
    assert_eq!(updated["session"]["instructions"], "be kind");
    assert_eq!(updated["session"]["id"], session["id"]);

    let item = message("u1", "你好吗");
    socket.send(&json!({ "type": "conversation.item.create", "item": item })).await;
    let added = socket.expect("conversation.item.added").await;
    assert_eq!(added["previous_item_id"], Value::Null);
    assert_eq!(added["item"]["status"], "completed");
    assert_eq!(socket.expect("conversation.item.done").await["item"], added["item"]);

    let told = respond(&mut socket, json!({ "metadata": { "k": "v" } })).await;
    assert_eq!(
        kinds(&told),
        [
            "response.created",
            "rate_limits.updated",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "conversation.item.done",
            "response.done",
        ]
    );
    told.iter().for_each(assert_no_nulls);
    let ids: HashSet<_> = told.iter().map(|event| event["event_id"].to_string()).collect();
    assert_eq!(ids.len(), told.len());
    assert_eq!(told[3]["previous_item_id"], "u1");
    assert_eq!(told[4]["part"], json!({ "type": "text", "text": "" }));
    let done = &told[11]["response"];
    assert_eq!((&done["status"], &done["metadata"]), (&json!("completed"), &json!({ "k": "v" })));
    let content = json!([{ "type": "output_text", "text": "你好" }]);
    assert_eq!(done["output"][0]["content"], content);
    assert_eq!(told[9]["item"], done["output"][0]);
    assert_eq!(done["usage"]["total_tokens"], 2);
    for event in &told[2..11] {
        if event["type"].as_str().unwrap().starts_with("response.") {
            assert_eq!((&event["response_id"], &event["output_index"]), (&done["id"], &json!(0)));
        }
    }
    assert!(told[0]["response"]["conversation_id"].is_string());

    let asked = &provider.requests()[0];
    assert_eq!(system(asked), "be kind");
    assert_eq!(conversation(asked), [user("你好吗")]);
}

#[tokio::test]
async fn the_conversation_is_what_the_items_are() {
    let provider = playing("far", (0..2).map(|_| Script::saying(["好。"])));
    let app = TestApp::start(vec![provider.clone()]).await;
    let (mut socket, _) = open(&app, PATH).await;
    say(&mut socket, "b", "second").await;
    let item = json!({ "type": "message", "id": "a", "role": "system",
        "content": [{ "type": "input_text", "text": "first" }] });
    let create = json!({ "type": "conversation.item.create", "item": item,
        "previous_item_id": "root" });
    socket.send(&create).await;
    assert_eq!(socket.expect("conversation.item.added").await["previous_item_id"], Value::Null);
    socket.expect("conversation.item.done").await;
    say(&mut socket, "c", "third").await;
    socket.send(&json!({ "type": "conversation.item.retrieve", "item_id": "b" })).await;
    let retrieved = socket.expect("conversation.item.retrieved").await;
    assert_eq!(retrieved["item"]["content"][0]["text"], "second");
    socket.send(&json!({ "type": "conversation.item.delete", "item_id": "b" })).await;
    assert_eq!(socket.expect("conversation.item.deleted").await["item_id"], "b");
    for kind in ["retrieve", "delete"] {
        let event = json!({ "type": format!("conversation.item.{kind}"), "item_id": "b" });
        assert_eq!(refused(&mut socket, event).await["code"], "item_not_found");
    }
    let again = json!({ "type": "conversation.item.create", "item": message("c", "x") });
    assert_eq!(refused(&mut socket, again).await["code"], "item_already_exists");
    respond(&mut socket, json!({})).await;
    say(&mut socket, "d", "fourth").await;
    respond(&mut socket, json!({ "instructions": "only now" })).await;
    let requests = provider.requests();
    let first = [(Role::System, "first".to_owned()), user("third")];
    assert_eq!(conversation(&requests[0]), first);
    let second = [first.as_slice(), &[assistant("好。"), user("fourth")]].concat();
    assert_eq!(conversation(&requests[1]), second);
    assert_eq!((system(&requests[0]).as_str(), system(&requests[1]).as_str()), ("", "only now"));
}

#[tokio::test]
async fn two_dialogues_know_nothing_of_each_other() {
    let provider = playing("far", [Script::saying(["好。"])]);
    let app = TestApp::start(vec![provider.clone()]).await;
    let (mut one, _) = open(&app, PATH).await;
    let (mut other, _) = open(&app, PATH).await;
    say(&mut one, "mine", "a secret").await;
    let retrieve = json!({ "type": "conversation.item.retrieve", "item_id": "mine" });
    assert_eq!(refused(&mut other, retrieve).await["code"], "item_not_found");
    say(&mut other, "mine", "hello").await;
    respond(&mut other, json!({})).await;
    assert_eq!(conversation(&provider.requests()[0]), [user("hello")]);
}

#[tokio::test]
async fn a_cancelled_response_stops_the_model_and_keeps_what_was_told() {
    let provider = playing(
        "far",
        [Script::admitted().text("half").then(Step::Hang), Script::saying(["whole"])],
    );
    let app = TestApp::start(vec![provider.clone()]).await;
    let (mut socket, _) = open(&app, PATH).await;
    let nothing = refused(&mut socket, json!({ "type": "response.cancel" })).await;
    assert_eq!(nothing["code"], "response_cancel_not_active");
    say(&mut socket, "u1", "hello").await;
    socket.send(&json!({ "type": "response.create" })).await;
    let told = socket.until("response.output_text.delta").await;
    let id = &told[0]["response"]["id"];
    let busy = refused(&mut socket, json!({ "type": "response.create" })).await;
    assert_eq!(busy["code"], "conversation_already_has_active_response");
    let other = json!({ "type": "response.cancel", "response_id": "resp_other" });
    assert_eq!(refused(&mut socket, other).await["code"], "response_cancel_not_active");
    socket.send(&json!({ "type": "response.cancel", "response_id": id })).await;
    let told = socket.until("response.done").await;
    assert_eq!(
        kinds(&told),
        [
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "conversation.item.done",
            "response.done",
        ]
    );
    let done = &told[4]["response"];
    assert_eq!(done["status"], "cancelled");
    let details = json!({ "type": "cancelled", "reason": "client_cancelled" });
    assert_eq!(done["status_details"], details);
    assert_eq!(done["output"][0]["status"], "incomplete");
    eventually("the model stops", || provider.running() == 0).await;
    say(&mut socket, "u2", "go on").await;
    respond(&mut socket, json!({})).await;
    let shown = conversation(&provider.requests()[1]);
    assert_eq!(shown, [user("hello"), assistant("half"), user("go on")]);
}

#[tokio::test]
async fn a_response_beside_the_conversation_leaves_no_trace_in_it() {
    let (puppet, mut hand) = Puppet::new("far");
    let app = TestApp::start(vec![puppet]).await;
    let (mut socket, _) = open(&app, PATH).await;
    say(&mut socket, "u1", "hello").await;
    socket.send(&json!({ "type": "response.create" })).await;
    let main = hand.admitted().await;
    socket.until("rate_limits.updated").await;
    let aside = json!({ "conversation": "none", "input": [
        { "type": "item_reference", "id": "u1" }, message("x", "is this polite?"),
    ] });
    socket.send(&json!({ "type": "response.create", "response": aside })).await;
    let beside = hand.admitted().await;
    assert_eq!(conversation(&beside.request), [user("hello"), user("is this polite?")]);
    beside.say("yes");
    beside.finish();
    let told = socket.until("response.done").await;
    assert!(!kinds(&told).iter().any(|kind| kind.starts_with("conversation.")), "{told:?}");
    let done = &told.last().unwrap()["response"];
    assert_eq!(done["output"][0]["content"][0]["text"], "yes");
    assert!(done.get("conversation_id").is_none(), "{done}");
    main.say("hi");
    main.finish();
    let told = socket.until("response.done").await;
    assert_eq!(told.last().unwrap()["response"]["output"][0]["content"][0]["text"], "hi");
    let unknown = json!({ "type": "response.create", "response": { "conversation": "none",
        "input": [{ "type": "item_reference", "id": "x" }] } });
    let error = refused(&mut socket, unknown).await;
    assert_eq!(error["param"], "response.input[0].id");
}

/// A call of a function in pieces, after a word.
fn calling() -> Script {
    let piece = |id: Option<&str>, arguments: &str| {
        Step::Event(ProviderEvent::Tool(ToolDelta {
            index: 0,
            id: id.map(str::to_owned),
            name: id.map(|_| "weather".to_owned()),
            arguments: arguments.to_owned(),
        }))
    };
    Script::admitted()
        .text("Let me see.")
        .then(piece(Some("call-1"), ""))
        .then(piece(None, "{\"city\":"))
        .then(piece(None, "\"Paris\"}"))
        .done(FinishReason::ToolCalls)
}

#[tokio::test]
async fn functions_are_called_and_what_they_give_back_is_shown() {
    let provider = ScriptedProvider::playing("far", [calling(), Script::saying(["It is sunny."])]);
    let capabilities = Capabilities { chat: true, tools: true, ..Capabilities::default() };
    let provider = Arc::new(provider.with_capabilities(capabilities));
    let app = TestApp::start(vec![provider.clone()]).await;
    let (mut socket, _) = open(&app, PATH).await;
    let tools = json!([{ "type": "function", "name": "weather", "description": "tells it",
        "parameters": { "type": "object" } }]);
    let session = json!({ "tools": tools, "tool_choice": "required" });
    socket.send(&json!({ "type": "session.update", "session": session })).await;
    let updated = socket.expect("session.updated").await;
    assert_eq!(updated["session"]["tools"], tools);
    say(&mut socket, "u1", "weather in Paris?").await;
    let told = respond(&mut socket, json!({})).await;
    assert_eq!(
        kinds(&told)[6..],
        [
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "conversation.item.done",
            "response.output_item.added",
            "conversation.item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "conversation.item.done",
            "response.done",
        ]
    );
    let arguments = "{\"city\":\"Paris\"}";
    let done = &told[14];
    assert_eq!((&done["call_id"], &done["arguments"]), (&json!("call-1"), &json!(arguments)));
    let called = &told.last().unwrap()["response"]["output"][1];
    assert_eq!((&called["type"], &called["name"]), (&json!("function_call"), &json!("weather")));
    let output = json!({ "type": "function_call_output", "call_id": "call-1", "output": "sun" });
    socket.send(&json!({ "type": "conversation.item.create", "item": output })).await;
    socket.until("conversation.item.done").await;
    respond(&mut socket, json!({ "tool_choice": "none" })).await;
    let requests = provider.requests();
    assert_eq!(requests[0].tool_choice, ToolChoice::Required);
    assert_eq!(requests[0].tools[0].name, "weather");
    assert_eq!(requests[1].tool_choice, ToolChoice::None);
    let Input::Chat { messages, .. } = &requests[1].input else { panic!("no conversation") };
    assert_eq!(messages[1].text, "Let me see.");
    assert_eq!(messages[1].tool_calls[0].arguments, arguments);
    assert_eq!(messages[2].tool_call_id.as_deref(), Some("call-1"));
    assert_eq!((messages[2].role, messages[2].text.as_str()), (Role::Tool, "sun"));
}

#[tokio::test]
async fn a_persona_answers_as_it_does_everywhere() {
    let provider = playing("far", [Script::saying([ANSWER])]);
    let app = TestApp::start(vec![provider.clone()]).await;
    let (mut socket, session) = open(&app, "/v1/realtime?model=lingxi").await;
    assert_eq!(session["model"], "lingxi");
    say(&mut socket, "u1", "如何应对压力").await;
    let told = respond(&mut socket, json!({ "instructions": "五点关门" })).await;
    let deltas: Vec<_> = told.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(deltas, SENTENCES);
    let asked = system(&provider.requests()[0]);
    assert!(asked.contains("灵犀") && asked.contains("五点关门"), "{asked}");
    let tools = json!({ "tools": [{ "type": "function", "name": "f" }] });
    let create = json!({ "type": "response.create", "response": tools });
    say(&mut socket, "u2", "天气").await;
    let error = refused(&mut socket, create).await;
    assert_eq!((&error["code"], &error["param"]), (&json!("unsupported"), &json!("tools")));
}

#[tokio::test]
async fn how_an_answer_ended_is_told() {
    let usage = Usage { prompt_tokens: 5, completion_tokens: 3, estimated: false };
    let end = |reason| Step::Event(ProviderEvent::Done { reason, usage: Some(usage) });
    let provider = playing(
        "far",
        [
            Script::admitted().text("long").then(end(FinishReason::Length)),
            Script::admitted().text("bad").then(end(FinishReason::Filtered)),
            Script::admitted().then(end(FinishReason::Stop)),
            Script::admitted().text("part").then(Step::Fail(unavailable())),
        ],
    );
    let app = TestApp::start_with(vec![provider.clone()], crate::helpers::once_each).await;
    let (mut socket, _) = open(&app, PATH).await;
    say(&mut socket, "u1", "hello").await;
    let mut ends = Vec::new();
    for _ in 0..4 {
        let told = respond(&mut socket, json!({ "max_output_tokens": 3 })).await;
        told.iter().for_each(assert_no_nulls);
        ends.push(told.last().unwrap()["response"].clone());
    }
    assert_eq!(provider.requests()[0].sampling.max_tokens, Some(3));
    assert_eq!(ends[0]["status"], "incomplete");
    let details = json!({ "type": "incomplete", "reason": "max_output_tokens" });
    assert_eq!(ends[0]["status_details"], details);
    assert_eq!(
        (&ends[0]["usage"]["input_tokens"], &ends[0]["max_output_tokens"]),
        (&json!(5), &json!(3))
    );
    assert_eq!(ends[1]["status_details"]["reason"], "content_filter");
    assert_eq!(ends[2]["status"], "completed");
    assert_eq!(ends[2]["output"][0]["content"], json!([{ "type": "output_text", "text": "" }]));
    assert_eq!(ends[3]["status"], "failed");
    let error = &ends[3]["status_details"]["error"];
    assert_eq!(error["code"], "provider_unavailable");
    assert!(!error.to_string().contains("sk-secret"), "{error}");
    assert_eq!(ends[3]["output"][0]["status"], "incomplete");
}

#[tokio::test]
async fn what_cannot_be_done_is_told_and_the_socket_stays_open() {
    let app = TestApp::start(vec![answering("far", "好。")]).await;
    let (mut socket, _) = open(&app, PATH).await;
    let audio = json!({ "type": "message", "role": "user",
        "content": [{ "type": "input_audio", "audio": "AAAA" }] });
    let far = json!({ "type": "message", "role": "user",
        "content": [{ "type": "input_image", "image_url": "https://example.org/a.png" }] });
    for (event, code, param) in [
        (json!({ "type": "response.create" }), "empty_input", Value::Null),
        (json!({ "type": "input_audio_buffer.append" }), "unsupported", json!("type")),
        (json!({ "type": "input_audio_buffer.commit" }), "unsupported", json!("type")),
        (json!({ "type": "conversation.item.truncate" }), "unsupported", json!("type")),
        (json!({ "type": "no.such.event" }), "invalid_value", json!("type")),
        (json!({ "type": 7 }), "invalid_event", json!("type")),
        (json!({ "type": "session.update" }), "missing_required_parameter", json!("session")),
        (
            json!({ "type": "session.update", "session": { "type": "transcription" } }),
            "unsupported",
            json!("session.type"),
        ),
        (
            json!({ "type": "session.update", "session": { "output_modalities": ["audio"] } }),
            "unsupported",
            json!("session.output_modalities"),
        ),
        (
            json!({ "type": "conversation.item.create", "item": audio }),
            "unsupported",
            json!("item.content[0].type"),
        ),
        (
            json!({ "type": "conversation.item.create", "item": far }),
            "invalid_image",
            json!("item.content[0].image_url"),
        ),
    ] {
        let error = refused(&mut socket, event.clone()).await;
        assert_eq!((&error["code"], &error["param"]), (&json!(code), &param), "{event}: {error}");
    }
    for (text, code) in [("{", "invalid_json"), ("[]", "invalid_event"), ("", "invalid_json")] {
        socket.send_text(text).await;
        assert_eq!(socket.expect("error").await["error"]["code"], code, "{text}");
    }
    // The rest of the sound is passed over.
    for _ in 0..50 {
        socket.send(&json!({ "type": "input_audio_buffer.append", "audio": "AAAA" })).await;
    }
    say(&mut socket, "u1", "still here").await;
    let told = respond(&mut socket, json!({})).await;
    assert_eq!(told.last().unwrap()["response"]["status"], "completed");
}

#[tokio::test]
async fn the_handshake_tells_who_answers_and_repeats_no_key() {
    let app = TestApp::start(vec![answering("far", "好。")]).await;
    let protocols = |list: &'static str| [("sec-websocket-protocol", list)];
    let offered = protocols("realtime, openai-insecure-api-key.sk-1, openai-agents-sdk.0.20");
    let socket = JsonSocket::try_open(&app, PATH, &offered).await.unwrap();
    assert_eq!(socket.headers["sec-websocket-protocol"], "realtime");
    assert!(!format!("{:?}", socket.headers).contains("sk-1"));
    let socket = JsonSocket::open(&app, PATH).await;
    assert!(!socket.headers.contains_key("sec-websocket-protocol"));
    let unknown = JsonSocket::try_open(&app, "/v1/realtime?model=farr", &[]).await.err().unwrap();
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.body["error"]["code"], "model_not_found");
    for beta in [
        [("openai-beta", "realtime=v1")],
        protocols("realtime, openai-insecure-api-key.sk-1, openai-beta.realtime-v1"),
    ] {
        let refused = JsonSocket::try_open(&app, PATH, &beta).await.err().unwrap();
        assert_eq!(refused.status, 400);
        assert_eq!(refused.body["error"]["code"], "unsupported");
    }
    let page = [("origin", "https://evil.example")];
    let refused = JsonSocket::try_open(&app, PATH, &page).await.err().unwrap();
    assert_eq!(refused.status, 403);
}

#[tokio::test]
async fn a_client_that_goes_stops_its_responses_and_a_service_that_ends_says_so() {
    let provider = hanging("far");
    let app = TestApp::start_with(vec![provider.clone()], |settings| {
        settings.server.drain_ms = 1;
    })
    .await;
    let (mut socket, _) = open(&app, "/v1/realtime?model=far").await;
    say(&mut socket, "u1", "hello").await;
    socket.send(&json!({ "type": "response.create" })).await;
    socket.until("response.output_text.delta").await;
    assert_eq!(provider.running(), 1);
    drop(socket);
    eventually("the model stops", || provider.running() == 0).await;
    let (mut socket, _) = open(&app, PATH).await;
    let stopping = app.begin_stop();
    assert_eq!(socket.closed().await, 1012);
    drop(socket);
    stopping.ended().await;
}
