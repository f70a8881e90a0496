//! The WebSocket as RFC 6455 has it: pings, closes, and clients that keep no rule.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anima_provider::{FinishReason, Script, ScriptedProvider, Step};
use serde_json::json;

use crate::{
    client::Client,
    helpers::TestApp,
    providers::answering,
    raw::{BINARY, CLOSE, Frame, PING, PONG, Raw, TEXT, frame, header},
};

async fn app() -> TestApp {
    TestApp::start(vec![answering("demo", "你好。")]).await
}

/// The code that these bytes are answered with, at last.
async fn answer_to(app: &TestApp, bytes: &[u8]) -> u16 {
    let mut raw = Raw::open(app).await;
    raw.write(bytes).await;
    let code = raw.closed().await;
    assert_eq!(raw.drain().await, 0, "something came after the close frame");
    code
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload() {
    let app = app().await;
    let mut raw = Raw::open(&app).await;
    for payload in [&b""[..], b"are you there", &[0xFF; 125]] {
        raw.send(PING, payload).await;
        let pong = Frame { opcode: PONG, payload: payload.to_vec() };
        assert_eq!(raw.next().await, Some(pong));
    }
}

#[tokio::test]
async fn a_pong_that_nobody_asked_for_is_ignored() {
    let app = app().await;
    let mut raw = Raw::open(&app).await;
    for _ in 0..100 {
        raw.send(PONG, b"hello").await;
    }
    raw.send(TEXT, br#"{"type":"hello"}"#).await;
    assert_eq!(raw.next().await.unwrap().json()["type"], "welcome");
}

#[tokio::test]
async fn a_close_is_answered_with_its_code() {
    let app = app().await;
    for code in [1000u16, 1001, 4321] {
        let mut raw = Raw::open(&app).await;
        let payload = [&code.to_be_bytes()[..], "再见".as_bytes()].concat();
        raw.send(CLOSE, &payload).await;
        assert_eq!(raw.closed().await, code);
        assert_eq!(raw.drain().await, 0);
    }
    let mut raw = Raw::open(&app).await;
    raw.send(CLOSE, b"").await;
    assert_eq!(raw.closed().await, 1000);
}

#[tokio::test]
async fn a_fragmented_message_is_one_message() {
    let app = app().await;
    let mut raw = Raw::open(&app).await;
    let text = json!({ "type": "say", "turn": "cut", "text": "你好吗" }).to_string();
    // The first border lies inside a character; a ping may come between.
    let inside = text.find('你').unwrap() + 1;
    raw.send(0x01, &text.as_bytes()[..inside]).await;
    raw.send(PING, b"between").await;
    raw.send(0x00, b"").await;
    raw.send(0x80, &text.as_bytes()[inside..]).await;
    assert_eq!(raw.next().await.unwrap().opcode, PONG);
    assert_eq!(raw.next().await.unwrap().json()["type"], "welcome");
    let accepted = raw.next().await.unwrap().json();
    assert_eq!((&accepted["type"], &accepted["turn"]), (&json!("accepted"), &json!("cut")));
}

#[tokio::test]
async fn binary_is_1003() {
    let app = app().await;
    assert_eq!(answer_to(&app, &frame(BINARY, br#"{"type":"hello"}"#)).await, 1003);
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_1007() {
    let app = app().await;
    for bytes in [&b"\xFF"[..], b"{\"type\":\"\xC0\xAF\"}", b"\xED\xA0\x80", b"\xE4\xBD"] {
        assert_eq!(answer_to(&app, &frame(TEXT, bytes)).await, 1007, "{bytes:?}");
    }
    let fragments = [frame(0x01, b"\"\xE4\xBD"), frame(0x80, b"\"")].concat();
    assert_eq!(answer_to(&app, &fragments).await, 1007);
}

#[tokio::test]
async fn what_is_not_the_protocol_is_1002() {
    let app = app().await;
    let cases: [(&str, Vec<u8>); 10] = [
        ("an unmasked frame", vec![TEXT, 2, b'{', b'}']),
        ("reserved bits", frame(0x81 | 0x40, b"{}")),
        ("a reserved opcode", frame(0x83, b"{}")),
        ("a reserved control opcode", frame(0x8B, b"")),
        ("a ping in fragments", frame(0x09, b"")),
        ("a ping that is too long", frame(PING, &[b'x'; 126])),
        ("a continuation of nothing", frame(0x80, b"{}")),
        ("a message inside a message", [frame(0x01, b"{"), frame(TEXT, b"{}")].concat()),
        ("a close with half a code", frame(CLOSE, &[3])),
        ("a close with a code that nobody may send", frame(CLOSE, &1005u16.to_be_bytes())),
    ];
    for (what, bytes) in cases {
        assert_eq!(answer_to(&app, &bytes).await, 1002, "{what}");
    }
}

#[tokio::test]
async fn a_message_that_is_too_big_is_1009() {
    let app = TestApp::start_with(vec![answering("demo", "你好。")], |settings| {
        settings.server.max_message_bytes = 1000;
    })
    .await;
    let text = |length| vec![b' '; length];
    assert_eq!(answer_to(&app, &frame(TEXT, &text(1001))).await, 1009);
    let fragments = [frame(0x01, &text(600)), frame(0x00, &text(400)), frame(0x80, b" ")].concat();
    assert_eq!(answer_to(&app, &fragments).await, 1009);
    // One that fits is only no JSON.
    let mut raw = Raw::open(&app).await;
    raw.send(TEXT, &text(1000)).await;
    assert_eq!(raw.next().await.unwrap().json()["code"], "invalid_json");
}

#[tokio::test]
async fn a_frame_that_declares_to_be_huge_is_refused_at_its_header() {
    let app = app().await;
    for length in [1 << 21, 1 << 40, u64::MAX] {
        let mut raw = Raw::open(&app).await;
        raw.write(&header(TEXT, length)).await;
        assert_eq!(raw.closed().await, 1009, "{length}");
        // Nothing of what follows is kept.
        for _ in 0..64 {
            raw.write(&vec![b'x'; 64 * 1024]).await;
        }
        raw.drain().await;
    }
}

#[tokio::test]
async fn a_flood_of_pings_is_1008() {
    let app = app().await;
    let flood = frame(PING, b"x").repeat(1000);
    let mut raw = Raw::open(&app).await;
    raw.write(&flood).await;
    let mut pongs = 0;
    let code = loop {
        let frame = raw.next().await.unwrap();
        if frame.opcode == CLOSE {
            break frame.code();
        }
        pongs += 1;
    };
    assert_eq!(code, 1008);
    assert!((20..100).contains(&pongs), "{pongs}");
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_its_place() {
    let app = TestApp::start_with(vec![answering("demo", "你好。")], |settings| {
        settings.server.max_connections = 1;
    })
    .await;
    let mut raw = Raw::open(&app).await;
    raw.send(TEXT, br#"{"type":"hello"}"#).await;
    assert_eq!(raw.next().await.unwrap().json()["type"], "welcome");
    drop(raw);
    // The end of the connection is noticed, not a heartbeat that fails.
    Client::connect_in_time(&app).await;
}

#[tokio::test]
async fn small_frames_are_sent_without_delay() {
    // Six sentences, each 2 ms after the other.
    let script = || {
        let pause = || Step::Wait(Duration::from_millis(2));
        let said = Script::admitted();
        (0..6).fold(said, |said, _| said.text("说一。").then(pause())).done(FinishReason::Stop)
    };
    let app =
        TestApp::start(vec![Arc::new(ScriptedProvider::new("demo", move |_| Ok(script())))]).await;
    let mut raw = Raw::open(&app).await;
    let mut spreads = Vec::new();
    for index in 0..21 {
        let say = json!({ "type": "say", "turn": index.to_string(), "text": "数数" }).to_string();
        raw.send(TEXT, say.as_bytes()).await;
        let mut begun = Instant::now();
        loop {
            let frame = raw.next().await.unwrap().json();
            if frame["type"] == "started" {
                begun = Instant::now();
            }
            if frame["type"] == "finished" {
                break;
            }
        }
        spreads.push(begun.elapsed());
    }
    spreads.sort_unstable();
    // Nagle's algorithm keeps them back until the client acknowledges the first: they come at once.
    assert!(spreads[10] > Duration::from_millis(4), "{spreads:?}");
}
