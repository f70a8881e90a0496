//! Keys that hold what they should not.

use super::super::server::RedisServer;
use super::{explain, open_at, options};
use crate::history::contract::{answer, id, open, tell, turn};
use crate::history::redis::RedisStore;
use crate::history::{HistoryError, HistoryStore};
use crate::turn::{SessionId, Tenant};

/// A store, and the beginning of the keys of a session in it that has one exchange.
async fn talked_once() -> (RedisStore, SessionId, String) {
    let options = options(&RedisServer::shared().url());
    let store = RedisStore::open(&options).unwrap();
    let session = SessionId::generate();
    tell(&store, &session, &turn("one", "Hello"), &answer("Hello.")).await;
    let key = format!("{}:v1:{{{session}}}", options.prefix);
    (store, session, key)
}

/// What is said of damage.
fn damage<T: std::fmt::Debug>(result: Result<T, HistoryError>) -> String {
    match result {
        Err(error @ HistoryError::Unavailable(_)) => {
            let text = explain(&error);
            assert!(text.contains("damaged"), "{text}");
            text
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rows_that_make_no_sense_are_told_and_end_nothing() {
    for (change, part) in [
        ("HSET {key}:exchanges 0 nonsense", "exchange 0"),
        ("HDEL {key}:exchanges 0", "exchange 0 is not there"),
        ("HSET {key}:exchanges 0 \"odd 1 one *\\nnull\\n{}\"", "unknown state"),
        ("HSET {key}:exchanges 0 \"finished 1 one *\\nnull\\n{\"", "the answer of exchange 0"),
        ("HSET {key}:turns one nonsense", "turn one"),
        ("DEL {key}:turns", "turn one is not there"),
        ("HDEL {key}:meta next", "a session without next"),
        ("HSET {key}:meta next many", "no number"),
    ] {
        let (store, session, key) = talked_once().await;
        RedisServer::shared().command(&change.replace("{key}", &key));
        let text = damage(store.recent(&session, 10).await);
        assert!(text.contains(part), "{change}: {text}");
        // Other sessions are none the worse.
        tell(&store, &SessionId::generate(), &turn("one", "Hello"), &answer("Hello.")).await;
        // And the way out that the message names is open, unless nothing is known of the session.
        if !part.contains("number") && !part.contains("without") {
            store.delete(&session).await.unwrap();
            tell(&store, &session, &turn("one", "Hello"), &answer("Hello.")).await;
        }
    }
}

#[tokio::test]
async fn a_key_of_another_type_is_told() {
    let (store, session, key) = talked_once().await;
    let server = RedisServer::shared();
    let opened = open(&store, &session, &turn("two", "Hello")).await;
    server.command(&format!("SET {key}:exchanges nonsense"));
    damage(store.finish(&opened.fence, &id("two"), &answer("Hello.")).await);
    damage(store.begin(&session, &turn("three", "Hello")).await);
    server.command(&format!("SET {key}:meta nonsense"));
    damage(store.session(&session).await);
    damage(store.rename(&session, "A name").await);
    // It does not keep the others from being listed.
    let other = SessionId::generate();
    tell(&store, &other, &turn("one", "Hello"), &answer("Hello.")).await;
    let listed = store.list(&Tenant::default(), 0, 10).await.unwrap();
    assert_eq!(listed.iter().map(|record| &record.id).collect::<Vec<_>>(), [&other]);
}

#[tokio::test]
async fn what_people_say_is_kept_as_it_is() {
    let store = open_at(&RedisServer::shared().url());
    let session = SessionId::generate();
    let words = "\u{0}\r\n{} \\n \u{202e} * , 👩\u{200d}🚀 \"quoted\" \u{1f}".to_owned();
    let given = answer(&words);
    let mut asked = turn("one", &words);
    asked.options = "line\nline".to_owned();
    let opened = open(&store, &session, &asked).await;
    assert_eq!(Some(&opened.task), asked.task.as_ref());
    store.finish(&opened.fence, &id("one"), &given).await.unwrap();
    let kept = store.recent(&session, 1).await.unwrap().remove(0);
    assert_eq!((Some(kept.task), kept.options, kept.answer), (asked.task, asked.options, given));
}
