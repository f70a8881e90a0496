//! Clients that are there and say nothing: each is given up in time.

use std::{
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

use crate::{
    process::{Process, eventually},
    row::{Row, is_full},
    socket::Socket,
};

/// How soon a socket is given up that answers no ping, and a connection on which no request comes.
const NO_PONG: Duration = Duration::from_mins(1);
const NO_REQUEST: Duration = Duration::from_secs(10);

/// A minute is too long for every run of the tests, so the socket is part of the full size alone.
#[test]
fn silent_clients_are_given_up_in_time() {
    let limit = NO_REQUEST * if is_full() { 1 } else { 3 };
    let handshakes = thread::spawn(move || requests_that_do_not_come(limit));
    if is_full() {
        a_socket_without_pongs();
    }
    handshakes.join().unwrap();
}

fn a_socket_without_pongs() {
    const CLIENTS: usize = 10;
    let row = Row::of(17, "sockets that answer no ping");
    let process = Process::start();
    let begun = Instant::now();
    let sockets: Vec<_> = (0..CLIENTS).map(|_| Socket::open(process.address())).collect();
    eventually(NO_PONG, "the sockets are gone", || process.connections() == 0);
    row.tell(
        format!("{} sockets", sockets.len()),
        format!("gone after {:.1} s (60 s)", begun.elapsed().as_secs_f64()),
        true,
    );
}

fn requests_that_do_not_come(limit: Duration) {
    let row = Row::of(17, "connections without a request, or with half of one");
    let process = Process::start();
    let clients: Vec<_> = ["", "GET /ws HTTP/1.1\r\nHost: x\r\n"]
        .repeat(10)
        .into_iter()
        .map(|half| {
            let mut stream = process.connect();
            stream.write_all(half.as_bytes()).unwrap();
            (stream, Instant::now())
        })
        .collect();
    let mut slowest = Duration::ZERO;
    let count = clients.len();
    for (mut stream, begun) in clients {
        stream.set_read_timeout(Some(limit)).unwrap();
        // Whatever it is told before: its connection ends.
        let mut told = Vec::new();
        let ended = stream.read_to_end(&mut told);
        assert!(
            !ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
            "it is still there after {:?}",
            begun.elapsed()
        );
        slowest = slowest.max(begun.elapsed());
    }
    let result = format!("gone after {:.1} s at most (10 s)", slowest.as_secs_f64());
    row.tell(format!("{count} connections"), result, slowest <= limit);
    assert!(slowest <= limit, "gone after {slowest:?}");
}
