//! A Redis that is killed again and again while sessions talk, and syncs every write.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::join;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::super::server::RedisServer;
use super::{MOST_EXCHANGES, open_at};
use crate::history::contract::{answer, told, turn};
use crate::history::redis::RedisStore;
use crate::history::{Begun, ExchangeState, HistoryError, HistoryStore, NewTurn};
use crate::turn::SessionId;

/// How often Redis is killed.
const KILLS: usize = 10;

/// How long a session insists on one operation.
const PATIENCE: Duration = Duration::from_secs(20);

/// Does an operation again until it is acknowledged, as a client does that sends its turn again.
async fn insist<T>(mut operation: impl AsyncFnMut() -> Result<T, HistoryError>) -> T {
    let begun = Instant::now();
    loop {
        match operation().await {
            Ok(done) => return done,
            Err(HistoryError::Unavailable(_) | HistoryError::Unacknowledged(_)) => {
                sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
        assert!(begun.elapsed() < PATIENCE, "Redis does not come back");
    }
}

/// Talks until it is told to stop, and gives the turns that were acknowledged.
async fn talk(store: &RedisStore, session: &SessionId, stop: &AtomicBool) -> Vec<String> {
    let mut names = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let name = format!("turn{:05}", names.len());
        // Whose acknowledgement was lost is not being answered here.
        let asked = NewTurn { running_here: false, ..turn(&name, "Go on") };
        let begun = insist(async || store.begin(session, &asked).await).await;
        let Begun::New(opened) = begun else { panic!("{name}: {begun:?}") };
        assert_eq!(opened.position, names.len() as u64);
        let given = answer(&name);
        insist(async || store.finish(&opened.fence, &asked.id, &given).await).await;
        names.push(name);
    }
    names
}

#[tokio::test]
async fn no_acknowledged_turn_is_lost_doubled_or_out_of_order() {
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let (store, stop) = (open_at(&server.url()), AtomicBool::new(false));
    let sessions: Vec<_> = (0..4).map(|_| SessionId::generate()).collect();
    let talks = join_all(sessions.iter().map(|session| talk(&store, session, &stop)));
    let kills = async {
        let killing = spawn_blocking(move || {
            for _ in 0..KILLS {
                std::thread::park_timeout(Duration::from_millis(200));
                server.kill();
                server.restart();
            }
            server
        });
        let server = killing.await.unwrap();
        stop.store(true, Ordering::SeqCst);
        server
    };
    let (talks, _server) = join!(talks, kills);
    for (session, names) in sessions.iter().zip(talks) {
        let kept = insist(async || store.recent(session, usize::MAX).await).await;
        assert!(names.len() >= KILLS, "there was no time to talk: {}", names.len());
        // A quick machine talks more than a session keeps.
        let forgotten = names.len().saturating_sub(MOST_EXCHANGES);
        let expected: Vec<_> =
            names[forgotten..].iter().map(|name| (name.as_str(), name.as_str())).collect();
        assert_eq!(told(&kept), expected);
        assert!(kept.iter().all(|kept| kept.state == ExchangeState::Finished));
    }
}
