//! Clients that take their time.

use std::{
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    crowd::long_session,
    http::receive,
    process::{Process, eventually},
    socket::{CLOSE, Socket, TEXT, frame},
};

/// How long anything here may take; the limits are 5 to 10 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// They wait more than they work, so they wait together.
#[test]
fn clients_that_take_their_time_are_given_up_in_time() {
    let scenes: [(&str, fn()); 4] = [
        ("a client wakes up", a_client_that_wakes_up_in_time_is_told_why_it_ends),
        ("a second head", a_second_head_that_does_not_end_does_not_hold_its_connection),
        ("a slow body", a_body_of_one_byte_a_second_is_given_up),
        ("slow messages", messages_that_do_not_end_are_given_up),
    ];
    let running = scenes.map(|(name, scene)| (name, thread::spawn(scene)));
    let failed: Vec<_> =
        running.into_iter().filter_map(|(name, scene)| scene.join().err().map(|_| name)).collect();
    assert!(failed.is_empty(), "{failed:?}; see above");
}

fn a_client_that_wakes_up_in_time_is_told_why_it_ends() {
    let process = Process::start();
    let session = long_session(&process);
    let mut socket = Socket::open_narrow(process.address());
    let hello = json!({ "type": "hello", "session": session }).to_string();
    socket.send(TEXT, hello.as_bytes());
    for _ in 0..30 {
        socket.send(TEXT, br#"{"type":"history"}"#);
    }
    thread::sleep(Duration::from_millis(7500));
    let close = std::iter::from_fn(|| socket.next(Duration::from_secs(5)))
        .find(|told| told.opcode == CLOSE)
        .expect("the connection ended without a close frame");
    assert_eq!(close.code(), 4001);
}

fn a_second_head_that_does_not_end_does_not_hold_its_connection() {
    let process = Process::start();
    let mut stream = process.connect();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n", process.address());
    stream.write_all(format!("{request}\r\n{request}").as_bytes()).unwrap();
    let mut told = Vec::new();
    let begun = Instant::now();
    let mut buffer = [0; 4096];
    while begun.elapsed() < PATIENCE {
        let _ = stream.write_all(b"X: y\r\n");
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(bytes) => told.extend_from_slice(&buffer[..bytes]),
        }
    }
    assert!(told.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&told));
    eventually(PATIENCE, "the connection is gone", || process.connections() == 0);
}

fn a_body_of_one_byte_a_second_is_given_up() {
    let process = Process::start();
    let mut stream = process.connect();
    let head = format!(
        "POST /v1/sessions HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\n",
        process.address()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let trickle = thread::spawn(move || {
        for _ in 0..20 {
            if writer.write_all(b" ").is_err() {
                break;
            }
            thread::sleep(Duration::from_secs(1));
        }
    });
    let response = receive(&mut stream, Instant::now()).expect("no answer");
    println!("408 after {:?}", response.after);
    assert_eq!(response.status, 408);
    assert_eq!(response.code().as_deref(), Some("request_timeout"));
    trickle.join().unwrap();
}

fn messages_that_do_not_end_are_given_up() {
    let process = Process::start();
    let close_of = |mut socket: Socket| {
        std::iter::from_fn(|| socket.next(Duration::from_secs(20)))
            .find(|told| told.opcode == CLOSE)
            .map(|told| told.code())
    };
    let mut silent = Socket::open(process.address());
    silent.write(&frame(0x01, b"{"));
    let mut trickling = Socket::open(process.address());
    trickling.write(&frame(0x01, b"{"));
    for _ in 0..120 {
        trickling.write(&frame(0x00, b""));
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(close_of(silent), Some(1002));
    assert_eq!(close_of(trickling), Some(1008));
}
