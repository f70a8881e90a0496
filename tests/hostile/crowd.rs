//! Many clients that read nothing.

use std::{
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    process::{Process, eventually},
    row::{Row, is_full},
    socket::{Socket, TEXT, narrow},
};

/// How many clients stop reading at a time.
const CROWD: usize = 200;

/// How many of them follow a turn, which costs a build without optimization some time.
const FOLLOWERS: usize = 50;

/// How long it may take until nothing is left of a client that does not read: 5 s for a frame that
/// it does not take, 1 s for the close frame, 5 s to see that it does not take that either, and the
/// rounds of looking; more on a busy machine.
const GONE: Duration = Duration::from_secs(15);

/// The same; twice as long where the machine may be busy.
fn gone_within() -> Duration {
    if is_full() { GONE } else { 2 * GONE }
}

/// Most memory that the crowd may cost, in KiB.
const ALLOWED: u64 = 64 << 10;

/// A session whose history is large: what was said counts, so that no answer has to be long.
pub(crate) fn long_session(process: &Process) -> String {
    let session = process.session();
    for _ in 0..4 {
        let words = json!({ "text": "x".repeat(32_000) });
        assert_eq!(process.turn(&session, &words).status, 200);
    }
    session
}

/// Waits until a crowd is gone, and tells and bounds what it has cost.
fn watch_out(process: &mut Process, what: &str, clients: usize, before: u64, begun: Instant) {
    let row = Row::of(14, format!("{what} that nobody reads"));
    eventually(gone_within(), "every connection is gone", || process.connections() == 0);
    let gone = begun.elapsed();
    let grown = process.most_memory().saturating_sub(before);
    println!("{what}: {grown} KiB more in all, gone after {gone:?}");
    row.tell(
        format!("{clients} clients"),
        format!("{grown} KiB more in all (64 MiB), gone after {:.1} s (15 s)", gone.as_secs_f64()),
        grown <= ALLOWED && gone <= gone_within(),
    );
    assert!(grown <= ALLOWED, "{grown} KiB");
    process.assert_well();
}

#[test]
fn sockets_that_do_not_read_are_gone_soon_and_cost_little() {
    let mut process = Process::start();
    let session = long_session(&process);
    let before = process.most_memory();
    let mut crowd: Vec<_> = (0..CROWD).map(|_| Socket::open_narrow(process.address())).collect();
    let hello = json!({ "type": "hello", "session": session, "observe": true }).to_string();
    for socket in &mut crowd {
        socket.send(TEXT, hello.as_bytes());
        for _ in 0..3 {
            socket.send(TEXT, br#"{"type":"history"}"#);
        }
    }
    watch_out(&mut process, "WebSockets", CROWD, before, Instant::now());
}

#[test]
fn responses_that_nobody_reads_end_and_cost_little() {
    let mut process = Process::start();
    let session = long_session(&process);
    let before = process.most_memory();
    let head = format!("Host: {}\r\n\r\n", process.address());
    let path = format!("/v1/sessions/{session}/history");
    // Enough requests that the answers are more than two kernels hold.
    let ask = format!("GET {path} HTTP/1.1\r\n{head}").repeat(2);
    let crowd: Vec<TcpStream> = (0..CROWD)
        .map(|_| {
            let mut stream = narrow(process.address());
            stream.write_all(ask.as_bytes()).unwrap();
            stream
        })
        .collect();
    watch_out(&mut process, "responses", CROWD, before, Instant::now());
    drop(crowd);
}

#[test]
fn event_streams_that_nobody_reads_end_and_cost_little() {
    let mut process = Process::start();
    let text =
        "This sentence has nothing to say to anybody, and neither has the next. ".repeat(400);
    let body = json!({ "turn": "told", "purpose": "speak", "text": text, "stream": true });
    let sessions: Vec<_> = (0..FOLLOWERS).map(|_| process.session()).collect();
    // What the sessions remember is theirs; following them again is what the followers cost.
    for session in &sessions {
        assert_eq!(process.turn(session, &body).status, 200);
    }
    let before = process.most_memory();
    let begun = Instant::now();
    let crowd: Vec<TcpStream> =
        sessions.iter().map(|session| follow(&process, session, &body)).collect();
    watch_out(&mut process, "event streams", FOLLOWERS, before, begun);
    drop(crowd);
}

/// Follows a turn without reading it.
fn follow(process: &Process, session: &str, body: &Value) -> TcpStream {
    let mut stream = narrow(process.address());
    let (address, body) = (process.address(), body.to_string());
    let request = format!(
        "POST /v1/sessions/{session}/turns HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}
