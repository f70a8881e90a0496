//! A Redis that is down, stalls, or does not let us in.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::super::server::RedisServer;
use super::{explain, open_at, options};
use crate::history::contract::{all, answer, id, open, tell, told, turn};
use crate::history::redis::{RedisOptions, RedisStore};
use crate::history::{HistoryError, HistoryStore};
use crate::turn::{SessionId, Tenant};

/// No refusal may take longer; the deadline of a call is 600 ms.
const REFUSED_WITHIN: Duration = Duration::from_millis(1500);

/// How long it may take until a Redis that is back is used.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// What is said of a store that cannot be reached, and said in time.
async fn refused(store: &RedisStore) -> String {
    let begun = Instant::now();
    let refused = store.begin(&SessionId::generate(), &turn("one", "Hello")).await;
    assert!(begun.elapsed() < REFUSED_WITHIN, "{:?}", begun.elapsed());
    match refused {
        Err(error @ (HistoryError::Unavailable(_) | HistoryError::Unacknowledged(_))) => {
            assert!(store.health().await.is_err());
            explain(&error)
        }
        other => panic!("{other:?}"),
    }
}

/// Waits until the store is healthy.
async fn back(store: &RedisStore) {
    let begun = Instant::now();
    while store.health().await.is_err() {
        assert!(begun.elapsed() < BACK_WITHIN, "it does not come back");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_store_opens_while_redis_is_down_and_works_once_it_is_up() {
    let mut server = RedisServer::start(&[]);
    server.kill();
    let store = open_at(&server.url());
    let text = refused(&store).await;
    assert!(text.contains("redis cannot be reached"), "{text}");
    assert!(refused(&store).await.contains("redis is not available"));
    server.restart();
    back(&store).await;
    let session = SessionId::generate();
    tell(&store, &session, &turn("one", "Hello"), &answer("Hello.")).await;
    assert_eq!(store.list(&Tenant::default(), 0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_redis_that_dies_is_told_at_once_and_found_again() {
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = open_at(&server.url());
    let session = SessionId::generate();
    tell(&store, &session, &turn("one", "Hello"), &answer("Hello.")).await;
    let opened = open(&store, &session, &turn("two", "Go on")).await;
    server.kill();
    let lost = store.finish(&opened.fence, &id("two"), &answer("Yes.")).await;
    assert!(matches!(lost, Err(HistoryError::Unacknowledged(_))));
    // From then on nothing is sent, and nothing can have been done.
    let lost = store.finish(&opened.fence, &id("two"), &answer("Yes.")).await;
    assert!(matches!(lost, Err(HistoryError::Unavailable(_))));
    refused(&store).await;
    server.restart();
    back(&store).await;
    store.finish(&opened.fence, &id("two"), &answer("Yes.")).await.unwrap();
    assert_eq!(told(&all(&store, &session).await), [("one", "Hello."), ("two", "Yes.")]);
}

#[tokio::test]
async fn a_redis_that_stalls_is_waited_for_once() {
    let server = RedisServer::start(&[]);
    let store = open_at(&server.url());
    let session = SessionId::generate();
    let opened = open(&store, &session, &turn("one", "Hello")).await;
    server.freeze();
    assert!(refused(&store).await.contains("did not answer within 600 ms"));
    // Whoever comes next is not kept waiting.
    let begun = Instant::now();
    for _ in 0..20 {
        assert!(store.finish(&opened.fence, &id("one"), &answer("Hello.")).await.is_err());
    }
    assert!(begun.elapsed() < REFUSED_WITHIN, "{:?}", begun.elapsed());
    // Long enough for the connection to be given up.
    sleep(Duration::from_millis(2500)).await;
    server.thaw();
    back(&store).await;
    store.finish(&opened.fence, &id("one"), &answer("Hello.")).await.unwrap();
    assert_eq!(told(&all(&store, &session).await), [("one", "Hello.")]);
}

#[tokio::test]
async fn somebody_who_accepts_and_never_answers_is_no_redis() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let store = open_at(&format!("redis://{}", silent.local_addr().unwrap()));
    refused(&store).await;
    refused(&store).await;
}

#[tokio::test]
async fn a_password_opens_and_is_never_told() {
    let server = RedisServer::start(&["--requirepass", "s3cret-word"]);
    let port_of = server.url().replace("redis://", "");
    let with = |url: String, username: Option<&str>, password: Option<&str>| RedisOptions {
        username: username.map(str::to_owned),
        password: password.map(Into::into),
        ..options(&url)
    };
    for (options, opens) in [
        (with(format!("redis://:s3cret-word@{port_of}"), None, None), true),
        (with(server.url(), None, Some("s3cret-word")), true),
        (with(server.url(), Some("default"), Some("s3cret-word")), true),
        (with(format!("redis://:wr0ng-word@{port_of}"), None, None), false),
        (with(server.url(), Some("nobody"), Some("wr0ng-word")), false),
        (with(server.url(), None, None), false),
        (with(format!("rediss://:s3cret-word@{port_of}"), None, None), false),
    ] {
        let told = format!("{options:?}");
        assert!(!told.contains("-word"), "{told}");
        let store = RedisStore::open(&options).unwrap();
        if opens {
            store.health().await.unwrap();
            continue;
        }
        let texts = [refused(&store).await, refused(&store).await];
        for text in texts {
            assert!(!text.contains("-word"), "{text}");
        }
    }
    // Whoever is let in later gets in without a restart.
    let store = RedisStore::open(&with(server.url(), None, Some("another"))).unwrap();
    assert!(refused(&store).await.contains("history.redis.password_env"));
    server.command("AUTH s3cret-word\r\nCONFIG SET requirepass another");
    back(&store).await;
}

#[tokio::test]
async fn a_redis_that_was_full_of_clients_is_used_when_there_is_room() {
    let server = RedisServer::start(&["--maxclients", "1"]);
    // A connection that has just been closed may still count.
    let mut other = loop {
        let mut stream = TcpStream::connect(server.url().trim_start_matches("redis://")).unwrap();
        let mut answer = [0; 5];
        stream.write_all(b"PING\r\n").unwrap();
        if stream.read_exact(&mut answer).is_ok() && answer == *b"+PONG" {
            break stream;
        }
    };
    let store = open_at(&server.url());
    refused(&store).await;
    refused(&store).await;
    other.write_all(b"QUIT\r\n").unwrap();
    back(&store).await;
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_without_being_told() {
    for url in ["http://:s3cret@host", "redis://:s3cret@host:many", ":s3cret", ""] {
        let refused = RedisStore::open(&options(url)).map(drop).unwrap_err();
        assert!(!explain(&refused).contains("s3cret"), "{}", explain(&refused));
    }
}

#[tokio::test]
async fn a_redis_that_cannot_write_is_not_healthy_and_says_why() {
    let server = RedisServer::start(&["--maxmemory-policy", "noeviction"]);
    let store = open_at(&server.url());
    store.health().await.unwrap();
    for (change, reason, undo) in [
        ("CONFIG SET maxmemory 1", "raise maxmemory", "CONFIG SET maxmemory 0"),
        ("CONFIG SET min-replicas-to-write 1", "NOREPLICAS", "CONFIG SET min-replicas-to-write 0"),
        ("REPLICAOF 127.0.0.1 1", "it is a replica", "REPLICAOF NO ONE"),
    ] {
        server.command(change);
        let text = refused(&store).await;
        assert!(text.contains(reason), "{text}");
        server.command(undo);
        back(&store).await;
    }
}
