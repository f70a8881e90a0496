//! What a client costs that sends more than it may.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    process::{Process, eventually},
    row::{Row, is_full},
    socket::{CLOSE, Socket, TEXT, header},
};

/// What is sent at least.
const SENT: usize = 96 << 20;

/// Most memory that it may cost, in KiB.
const ALLOWED: u64 = 4 << 10;

/// How often each of them is tried.
fn rounds() -> usize {
    if is_full() { 4 } else { 1 }
}

/// What one of them cost at most.
fn told(most: u64) -> String {
    format!("at most {most} KiB more (4096 KiB)")
}

/// Sends `SENT` bytes after `start`, as far as the service takes them, and gives the growth of the
/// process's memory in KiB.
fn cost_of(process: &mut Process, start: &[u8], unit: &[u8]) -> (u64, Option<u16>) {
    // Whatever is made once for the first connection is not what a client costs.
    Socket::open(process.address()).send(0x81, b"{}");
    let before = process.most_memory();
    let mut socket = Socket::open(process.address());
    socket.write(start);
    let block = unit.repeat((1 << 16) / unit.len());
    let begun = Instant::now();
    let mut sent = 0;
    while sent < SENT && begun.elapsed() < Duration::from_secs(20) && socket.write(&block) {
        sent += block.len();
    }
    let mut code = None;
    while let Some(frame) = socket.next(Duration::from_secs(5)) {
        if frame.opcode == CLOSE {
            code = Some(frame.code());
        }
    }
    let grown = process.most_memory().saturating_sub(before);
    process.assert_well();
    println!("{} KiB more after {} KiB were sent, closed with {code:?}", grown, sent >> 10);
    (grown, code)
}

#[test]
fn a_frame_that_declares_too_much_costs_no_memory() {
    let mut process = Process::start();
    let (row, mut most) = (Row::of(15, "frames that declare too much"), 0);
    let lengths = [1 << 40, 1 << 63, (1 << 20) + 1].repeat(rounds());
    for length in &lengths {
        let length = *length;
        let (grown, code) = cost_of(&mut process, &header(0x82, length), b"x");
        most = most.max(grown);
        assert!(grown <= ALLOWED, "{grown} KiB for a declared length of {length}");
        // Who keeps sending into a closed connection may see a reset before the close frame.
        assert!(code.is_none_or(|code| code == 1009), "{code:?}");
    }
    row.tell(format!("{} frames", lengths.len()), told(most), true);
}

#[test]
fn fragments_without_end_cost_no_memory() {
    let mut process = Process::start();
    let (row, mut most) = (Row::of(15, "fragments without end"), 0);
    let units = vec![[header(0x00, 0), [header(0x00, 1), vec![b'x']].concat()]; rounds()].concat();
    for unit in &units {
        let (grown, code) = cost_of(&mut process, &header(0x01, 0), unit);
        most = most.max(grown);
        assert!(grown <= ALLOWED, "{grown} KiB");
        assert!(code.is_none_or(|code| code == 1009), "{code:?}");
    }
    row.tell(format!("{} messages", units.len()), told(most), true);
}

#[test]
fn a_body_without_end_costs_no_memory() {
    let mut process = Process::start();
    let head = |length: &str| {
        format!("POST /v1/sessions HTTP/1.1\r\nHost: {}\r\n{length}\r\n\r\n", process.address())
    };
    let heads = [
        (head("Content-Length: 100000000"), vec![b'x'; 1 << 16]),
        (
            head("Transfer-Encoding: chunked"),
            [&b"8000\r\n"[..], &vec![b' '; 0x8000], b"\r\n"].concat(),
        ),
    ];
    let (row, mut most) = (Row::of(15, "bodies without end"), 0);
    let bodies = vec![heads; rounds()].concat();
    for (head, block) in &bodies {
        process.request("POST", "/v1/sessions", "{}");
        let before = process.most_memory();
        let mut stream = process.connect();
        stream.write_all(head.as_bytes()).unwrap();
        let mut sent = 0;
        while sent < SENT && stream.write_all(block).is_ok() {
            sent += block.len();
        }
        eventually(Duration::from_secs(15), "it is gone", || process.connections() == 0);
        // A body as large as allowed is read, whatever follows it.
        let grown = process.most_memory().saturating_sub(before);
        most = most.max(grown);
        println!("{grown} KiB more after {} KiB were sent", sent >> 10);
        assert!(grown <= ALLOWED, "{grown} KiB");
        process.assert_well();
    }
    row.tell(format!("{} bodies", bodies.len()), told(most), true);
}

#[test]
fn a_large_message_of_small_values_costs_little_more_than_itself() {
    let mut process = Process::start();
    let session = process.session();
    process.turn(&session, &json!({ "text": "Hello." }));
    for values in [r#"{"a":0},"#.repeat(130_000), "[],".repeat(345_000), "0,".repeat(520_000)] {
        let before = process.most_memory();
        let values = format!("[{values}0]");
        let mut socket = Socket::open(process.address());
        socket.send(TEXT, format!(r#"{{"type":"ping","x":{values}}}"#).as_bytes());
        socket.next_of_type("pong");
        let body = format!(r#"{{"text":"Hello.","x":{values}}}"#);
        let path = format!("/v1/sessions/{session}/turns");
        assert_eq!(process.request("POST", &path, &body).status, 200);
        let grown = process.most_memory().saturating_sub(before);
        println!("{grown} KiB more for two messages of {} KiB", body.len() >> 10);
        // What may be: the message as it came, and once more in one piece.
        assert!(grown <= 2 * ALLOWED, "{grown} KiB");
    }
    process.assert_well();
}
