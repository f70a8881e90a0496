//! What is kept, for how long, and what that costs.

use std::time::Duration;

use tokio::time::sleep;

use super::super::server::RedisServer;
use super::{open_at, options, store_of_its_own};
use crate::history::contract::{all, answer, id, once_more, open, replay, tell, told, turn};
use crate::history::redis::{RedisOptions, RedisStore};
use crate::history::{Amendment, Begun, HistoryError, HistoryStore, NewTurn, SessionSettings};
use crate::turn::{Sentence, SessionId, Tenant, Verdict, VerdictLayer, VerdictStatus};

#[tokio::test]
async fn a_turn_costs_two_round_trips() {
    let server = RedisServer::start(&[]);
    let store = open_at(&server.url());
    let session = SessionId::generate();
    // The first turn also brings the functions.
    tell(&store, &session, &turn("first", "Hello"), &answer("Hello.")).await;
    store.list(&Tenant::default(), 0, 1).await.unwrap();
    server.command("CONFIG RESETSTAT");
    for number in 0..10 {
        tell(&store, &session, &turn(&format!("turn{number}"), "Go on"), &answer("Yes.")).await;
    }
    let waited_for = [server.calls("evalsha"), server.calls("eval"), server.calls("script|load")];
    assert_eq!(waited_for, [20, 0, 0]);
    // What is written behind the turns' back is written for several at a time.
    assert!(server.calls("zadd") <= 20);
    for never in ["get", "set", "ping", "exec"] {
        assert_eq!(server.calls(never), 0, "{never}");
    }
}

#[tokio::test]
async fn the_rights_that_the_documentation_names_are_enough() {
    let server = RedisServer::start(&[]);
    let document = include_str!("../../../../../docs/redis.md");
    let (_, rights) = document.split_once("needs the commands").unwrap();
    let (rights, _) = rights.split_once(" on `anima:*`").unwrap();
    let named = rights.split('`').skip(1).step_by(2).map(str::to_lowercase);
    let commands: Vec<_> = named.map(|name| format!("+{}", name.replace(' ', "|"))).collect();
    let user = format!("ACL SETUSER anima on >word ~anima:* {}", commands.join(" "));
    assert!(server.command(&user).starts_with("+OK"));
    let store = RedisStore::open(&RedisOptions {
        username: Some("anima".to_owned()),
        password: Some("word".into()),
        prefix: "anima".to_owned(),
        ..options(&server.url())
    })
    .unwrap();
    let session = SessionId::generate();
    let opened = tell(&store, &session, &turn("one", "Hello"), &answer("Hello.")).await;
    store.renew(&opened.fence).await.unwrap();
    store.amend(&opened.fence, &id("one"), &Amendment::Heard(None)).await.unwrap();
    store.configure(&session, &SessionSettings::default()).await.unwrap();
    store.rename(&session, "A name").await.unwrap();
    assert_eq!(all(&store, &session).await.len(), 1);
    assert_eq!(store.list(&Tenant::default(), 0, 10).await.unwrap().len(), 1);
    store.clear(&session).await.unwrap();
    store.delete(&session).await.unwrap();
    store.create(&session, &SessionSettings::default()).await.unwrap();
    store.health().await.unwrap();
    // Another process that starts looks through the keys.
    store.index.repair().await.unwrap();
}

#[tokio::test]
async fn functions_that_redis_forgot_are_sent_again() {
    let server = RedisServer::start(&[]);
    let store = open_at(&server.url());
    let session = SessionId::generate();
    for name in ["one", "two"] {
        server.command("SCRIPT FLUSH");
        let opened = open(&store, &session, &turn(name, "Hello")).await;
        server.command("SCRIPT FLUSH");
        store.finish(&opened.fence, &id(name), &answer("Hello.")).await.unwrap();
    }
    assert_eq!(told(&all(&store, &session).await), [("one", "Hello."), ("two", "Hello.")]);
}

#[tokio::test]
async fn what_was_acknowledged_outlives_redis_when_that_syncs_always() {
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = open_at(&server.url());
    let session = SessionId::generate();
    for round in 0..5 {
        let name = format!("turn{round}");
        let asked = turn(&name, "Go on");
        let opened = open(&store, &session, &asked).await;
        server.kill();
        server.restart();
        // The next call finds a connection that is dead, and another Redis behind the next one.
        store.finish(&opened.fence, &asked.id, &answer(&name)).await.unwrap();
        server.kill();
        server.restart();
        replay(&store, &session, &asked).await;
    }
    let kept = all(&store, &session).await;
    assert_eq!(kept.iter().map(|kept| kept.position).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn the_oldest_exchanges_make_way() {
    let options = RedisOptions { max_exchanges: 2, ..options(&RedisServer::shared().url()) };
    let store = RedisStore::open(&options).unwrap();
    let session = SessionId::generate();
    tell(&store, &session, &turn("one", "1"), &answer("1")).await;
    tell(&store, &session, &once_more("again"), &answer("1!")).await;
    tell(&store, &session, &turn("two", "2"), &answer("2")).await;
    let third = tell(&store, &session, &turn("three", "3"), &answer("3")).await;
    assert_eq!(third.position, 2);
    assert_eq!(told(&all(&store, &session).await), [("two", "2"), ("three", "3")]);
    assert_eq!(store.session(&session).await.unwrap().unwrap().exchanges, 2);
    for forgotten in [turn("one", "Other words"), turn("again", "Other words")] {
        assert!(matches!(store.begin(&session, &forgotten).await.unwrap(), Begun::New(_)));
    }
}

#[tokio::test]
async fn a_long_conversation_is_read_whole_and_in_order() {
    let store = store_of_its_own().await;
    let session = SessionId::generate();
    let names: Vec<_> = (0..150).map(|number| format!("turn{number:03}")).collect();
    for name in &names {
        tell(&store, &session, &turn(name, "Go on"), &answer(name)).await;
    }
    assert!(all(&store, &session).await.iter().map(|kept| kept.turn.as_str()).eq(&names));
    let last = store.recent(&session, 100).await.unwrap();
    assert!(last.iter().map(|kept| kept.turn.as_str()).eq(&names[50..]));
    assert_eq!(store.recent(&session, 0).await.unwrap(), []);
}

#[tokio::test]
async fn a_session_that_is_not_used_is_forgotten_whole() {
    let options =
        RedisOptions { ttl: Duration::from_secs(3), ..options(&RedisServer::shared().url()) };
    let store = RedisStore::open(&options).unwrap();
    let (old, used) = (SessionId::generate(), SessionId::generate());
    tell(&store, &old, &turn("one", "Hello"), &answer("Hello.")).await;
    let opened = open(&store, &used, &turn("one", "Hello")).await;
    let keys = || RedisServer::shared().command(&format!("KEYS {}:*{old}*", options.prefix));
    assert!(keys().starts_with("*3\r\n"), "{}", keys());
    for _ in 0..7 {
        sleep(Duration::from_millis(500)).await;
        store.finish(&opened.fence, &id("one"), &answer("Hello.")).await.unwrap();
    }
    assert!(keys().starts_with("*0\r\n"), "{}", keys());
    assert_eq!(store.session(&old).await.unwrap(), None);
    assert!(matches!(store.recent(&old, 1).await, Err(HistoryError::SessionNotFound)));
    let listed = store.list(&Tenant::default(), 0, 10).await.unwrap();
    assert_eq!(listed.iter().map(|record| &record.id).collect::<Vec<_>>(), [&used]);
}

#[tokio::test]
async fn the_index_of_sessions_repairs_itself() {
    let server = RedisServer::shared();
    let options = options(&server.url());
    let store = RedisStore::open(&options).unwrap();
    let sessions: Vec<_> = (0..3).map(|_| SessionId::generate()).collect();
    for session in &sessions {
        open(&store, session, &turn("one", "Hello")).await;
    }
    let index = format!("{}:v1:sessions", options.prefix);
    let listed = async |store: &RedisStore| -> Vec<SessionId> {
        store
            .list(&Tenant::default(), 0, 10)
            .await
            .unwrap()
            .into_iter()
            .map(|record| record.id)
            .collect()
    };
    assert_eq!(listed(&store).await.len(), 3);
    // One that is gone is not told, does not count, and does not stay.
    server.command(&format!("ZADD {index} 9000000000000000 ghost 9000000000000001 not*an*id"));
    let page = store.list(&Tenant::default(), 0, 2).await.unwrap();
    assert_eq!(
        page.iter().map(|record| &record.id).collect::<Vec<_>>(),
        [&sessions[2], &sessions[1]]
    );
    assert!(server.command(&format!("ZCARD {index}")).starts_with(":3\r\n"));
    // One that is missing comes back when it is used, and all of them when a process starts.
    server.command(&format!("DEL {index}"));
    open(&store, &sessions[1], &turn("two", "Hello")).await;
    assert_eq!(listed(&store).await, [sessions[1].clone()]);
    let another = RedisStore::open(&options).unwrap();
    for _ in 0..500 {
        if listed(&another).await.len() == 3 {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        listed(&another).await,
        [&sessions[1], &sessions[2], &sessions[0]].map(Clone::clone)
    );
}

#[tokio::test]
async fn a_fence_is_not_given_out_twice_when_the_clock_is_set_back() {
    let server = RedisServer::shared();
    let options = options(&server.url());
    let store = RedisStore::open(&options).unwrap();
    let session = SessionId::generate();
    open(&store, &session, &turn("one", "Hello")).await;
    // As if the fence before had been given out in an hour from now.
    let later = 9_000_000_000_000_000_u64;
    server.command(&format!("HSET {}:v1:{{{session}}}:meta fence {later}", options.prefix));
    assert_eq!(open(&store, &session, &turn("two", "Hello")).await.fence.number, later + 1);
    store.delete(&session).await.unwrap();
    let anew = open(&store, &session, &turn("one", "Hello")).await;
    assert_eq!((anew.position, anew.fence.number), (0, later + 2));
}

#[tokio::test]
async fn an_exchange_takes_less_than_two_kilobytes() {
    let options = options(&RedisServer::shared().url());
    let store = RedisStore::open(&options).unwrap();
    let session = SessionId::generate();
    let given = {
        let mut given = answer("先深呼吸，把大事拆成小步，再找朋友聊聊。");
        let sentence = given.sentences[0].clone();
        given.sentences = (0..3).map(|index| Sentence { index, ..sentence.clone() }).collect();
        given.verdicts = (0..3)
            .map(|index| Verdict {
                sentence: Some(index),
                status: VerdictStatus::Supported,
                sources: vec!["museum/opening.md#2".to_owned()],
                score: Some(0.125),
                layer: Some(VerdictLayer::Lexical),
                latency_us: 42,
                ..Verdict::default()
            })
            .collect();
        given
    };
    for number in 0..500 {
        let name = SessionId::generate().to_string();
        let asked =
            NewTurn { recent: 0, ..turn(&name, &format!("如何应对压力？（{number}）")) };
        tell(&store, &session, &asked, &given).await;
    }
    let taken = |part: &str| -> u64 {
        let key = format!("{}:v1:{{{session}}}:{part}", options.prefix);
        let answer = RedisServer::shared().command(&format!("MEMORY USAGE {key} SAMPLES 0"));
        answer.strip_prefix(':').unwrap().lines().next().unwrap().parse().unwrap()
    };
    let [meta, exchanges, turns] = ["meta", "exchanges", "turns"].map(taken);
    let per_exchange = (exchanges + turns) / 500;
    assert!(per_exchange < 2048 && meta < 1024, "{per_exchange} and {meta} bytes");
}
