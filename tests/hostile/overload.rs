//! More than the service holds: the excess is refused at once, the rest is served.

use std::{
    io::Write,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    http::{Response, exchange, receive},
    process::{Process, eventually},
    socket::{Socket, TEXT},
};

/// A second is a long time for a refusal; it takes milliseconds where nothing else runs.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A refusal says when to come back.
fn assert_refused(response: &Response, status: u16) {
    assert_eq!(response.status, status, "{}", String::from_utf8_lossy(&response.body));
    let seconds: u64 = response.header("retry-after").expect("no Retry-After").parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
    assert!(response.after < AT_ONCE, "refused after {:?}", response.after);
}

#[test]
fn turns_beyond_the_limit_are_refused_at_once_and_the_others_are_answered() {
    let mut process = Process::start_with("[server]\nmax_turns = 4\n");
    let sessions: Vec<_> = (0..20).map(|_| process.session()).collect();
    let answers: Vec<Response> = thread::scope(|scope| {
        let process = &process;
        let turns: Vec<_> = sessions
            .iter()
            .map(|session| scope.spawn(|| process.turn(session, &json!({ "text": "slowly" }))))
            .collect();
        turns.into_iter().map(|turn| turn.join().unwrap()).collect()
    });
    let (good, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|one| one.status == 200);
    println!("{} answered, {} refused", good.len(), refused.len());
    assert!(good.len() >= 4, "only {} were answered", good.len());
    assert!(!refused.is_empty(), "nothing was refused");
    for response in refused {
        assert_refused(response, 429);
        assert_eq!(response.code().as_deref(), Some("overloaded"));
    }
    // The places are free again, and what was refused left nothing behind.
    assert_eq!(process.turn(&sessions[0], &json!({ "text": "Hello." })).status, 200);
    process.assert_well();
}

#[test]
fn a_full_service_refuses_on_every_surface_and_lets_a_person_interrupt_herself() {
    let process = Process::start_with("[server]\nmax_turns = 1\n");
    let mut first = Socket::open(process.address());
    first.send(TEXT, br#"{"type":"say","turn":"one","text":"for ever"}"#);
    first.next_of_type("accepted");
    let mut second = Socket::open(process.address());
    second.send(TEXT, br#"{"type":"say","id":7,"turn":"two","text":"Hello."}"#);
    let error = second.next_of_type("error");
    assert_eq!((&error["code"], &error["id"]), (&json!("overloaded"), &json!(7)), "{error}");
    let wait = error["retry_after_ms"].as_u64().unwrap();
    assert!((1000..30_000).contains(&wait), "{wait}");
    assert_refused(&process.request("POST", "/", r#"{"prompt":"Hello."}"#), 429);
    assert_refused(&process.request("POST", "/llm_response/", r#"{"question":"Hello."}"#), 429);
    let session = process.session();
    assert_refused(&process.turn(&session, &json!({ "text": "Hello.", "stream": true })), 429);
    // Cutting in takes over the place of the turn that it ends.
    first.send(TEXT, br#"{"type":"say","turn":"three","text":"Hello.","provider":"direct"}"#);
    assert_eq!(first.next_of_type("finished")["turn"], "one");
    assert_eq!(first.next_of_type("finished")["turn"], "three");
    // The place is free a moment after the end was told.
    eventually(Duration::from_secs(5), "there is room for the second", || {
        second.send(TEXT, br#"{"type":"say","turn":"two","text":"Hello."}"#);
        second.next_of_types(&["accepted", "error"])["type"] == "accepted"
    });
    assert_eq!(second.next_of_type("finished")["turn"], "two");
}

#[test]
fn connections_beyond_the_limit_get_503_and_probes_are_answered() {
    let process = Process::start_with("[server]\nmax_http_connections = 20\n");
    let head = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", process.address());
    // Each holds its place with a request whose body does not come.
    let slow = format!(
        "POST /v1/sessions HTTP/1.1\r\nHost: {}\r\nContent-Length: 9\r\n\r\n",
        process.address()
    );
    let holders: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = process.connect();
            stream.write_all(slow.as_bytes()).unwrap();
            stream
        })
        .collect();
    eventually(Duration::from_secs(5), "they are there", || process.connections() >= 20);
    // A connection is there a moment before its place is taken.
    eventually(Duration::from_secs(5), "every place is taken", || {
        let mut stream = process.connect();
        let answer = exchange(&mut stream, head("/v1/sessions").as_bytes());
        answer.is_some_and(|answer| answer.status == 503)
    });
    for _ in 0..5 {
        let mut stream = process.connect();
        let refused = exchange(&mut stream, head("/v1/sessions").as_bytes()).expect("no answer");
        assert_refused(&refused, 503);
        assert_eq!(refused.code().as_deref(), Some("overloaded"));
    }
    for probe in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(process.request("GET", probe, "").status, 200, "{probe}");
    }
    drop(holders);
    eventually(Duration::from_secs(5), "there is room again", || {
        process.request("GET", "/v1/sessions", "").status == 200
    });
}

#[test]
fn a_process_without_files_to_open_goes_on_when_there_are_some_again() {
    let mut process = Process::start_with_files(64);
    let crowd: Vec<TcpStream> = (0..60).map(|_| process.connect()).collect();
    // As many as there are files for are served and the others wait; those that say nothing end.
    eventually(Duration::from_secs(5), "the files are used up", || process.open_files() >= 60);
    let mut late = process.connect();
    let begun = Instant::now();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", process.address());
    late.write_all(request.as_bytes()).unwrap();
    let response = receive(&mut late, begun).expect("the service does not accept any more");
    println!("accepted after {:?}", response.after);
    assert_eq!(response.status, 200);
    drop(crowd);
    process.assert_well();
}
