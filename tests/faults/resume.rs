//! Clients that lose their connection and come back: what they get is what others got.

use std::{net::SocketAddr, sync::Arc};

use serde_json::{Value, json};
use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
};

use crate::{
    book,
    count::Table,
    dice::Dice,
    proxy::{Cut, Proxy},
    row::Row,
    service::{House, Service},
    size::Size,
    socket::{Socket, is_end},
    store::Store,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_resumes_is_what_an_uncut_observer_saw() {
    let size = Size::read();
    let mut table = Table::new("Resumes after cuts at random instants", size);
    let row = Row::of(3, "connections cut while others watch");
    let (people, resumes) = (size.of(3, 20), size.of(4, 25));
    let house = House::new(Store::Embedded, 1000);
    let service = Arc::new(house.start().await);
    let sessions = service.sessions(people).await.into_iter().enumerate();
    let followed = sessions.map(|(number, session)| {
        let (service, dice) = (Arc::clone(&service), size.dice().part(number));
        async move { follow(&service, &session, resumes, dice).await }
    });
    let followed = followed.collect::<JoinSet<_>>().join_all().await;
    let sum = |count: fn(&Followed) -> usize| followed.iter().map(count).sum::<usize>();
    table.counted("sessions, each with an observer that is never cut", people);
    table.counted("connections cut", sum(|followed| followed.cuts));
    table.must_be(people * resumes, "resumed", sum(|followed| followed.resumes));
    table.counted("frames that observers saw", sum(|followed| followed.observed.len()));
    table.counted(
        "frames that clients got over all connections",
        sum(|followed| followed.got.len()),
    );
    let mut differences = Vec::new();
    for Followed { got, observed, .. } in &followed {
        let from = observed.iter().position(|frame| Some(frame) == got.first());
        let expected = &observed[from.unwrap()..];
        let differs = got.iter().zip(expected).find(|(got, expected)| got != expected);
        differences.extend(differs.map(|(got, expected)| format!("{got} instead of {expected}")));
        if got.len() != expected.len() {
            differences.push(format!("{} frames instead of {}", got.len(), expected.len()));
        }
    }
    table.never("doubled, missing or other frames than the observer's", &differences);
    let counted = format!("{} resumes after cuts", sum(|followed| followed.resumes));
    let result = format!("{} doubled, missing or other frames", differences.len());
    row.tell(counted, result, table.holds());
    table.end();
}

/// What came of one session.
#[derive(Default)]
struct Followed {
    cuts: usize,
    resumes: usize,
    got: Vec<Value>,
    observed: Vec<Value>,
}

/// Talks into a session while one client watches and another loses its connection again and again.
async fn follow(service: &Service, session: &str, resumes: usize, dice: Dice) -> Followed {
    let observer = json!({ "session": session, "observe": true });
    let (observer, _) = Socket::open(service.address, &observer).await.unwrap();
    let (enough, stop) = watch::channel(false);
    let (all_said, over) = oneshot::channel();
    let watching = tokio::spawn(watch_all(observer, over));
    let talking = talk(service, session, dice.part(1), stop);
    let following = async {
        let mut followed = Followed::default();
        followed.lose_and_resume(service.address, session, resumes, dice.part(2)).await;
        enough.send_replace(true);
        followed
    };
    let (last, mut followed) = tokio::join!(talking, following);
    all_said.send(last.clone()).unwrap();
    followed.observed = watching.await.unwrap();
    let (mut socket, welcome) =
        Socket::open(service.address, &followed.hello(session)).await.unwrap();
    assert_eq!(welcome["resumed"], true, "{welcome}");
    read_to_end(&mut socket, &last, &mut followed.got).await;
    followed
}

/// Asks one thing after the other, and cuts in now and then.
/// Gives the last turn.
async fn talk(
    service: &Service,
    session: &str,
    mut dice: Dice,
    stop: watch::Receiver<bool>,
) -> String {
    let mut number = 0;
    while !*stop.borrow() {
        number += 1;
        let text = book::question(book::kind(&mut dice), number);
        let body = json!({ "turn": format!("t{number}"), "text": text, "turns": 0 });
        let asked = service.post(session, "turns", &body);
        if dice.percent(25) {
            let cut_in = async {
                tokio::time::sleep(dice.time(100)).await;
                service.post(session, "interrupt", &json!({})).await
            };
            tokio::join!(asked, cut_in);
        } else {
            asked.await;
        }
    }
    format!("t{number}")
}

/// Everything that an observer sees until all is said.
async fn watch_all(mut socket: Socket, mut over: oneshot::Receiver<String>) -> Vec<Value> {
    let mut frames = Vec::new();
    let last = loop {
        tokio::select! {
            frame = socket.next() => frames.push(frame.expect("the observer was cut")),
            last = &mut over => break last.unwrap(),
        }
    };
    read_to_end(&mut socket, &last, &mut frames).await;
    frames
}

/// Reads on to the end of a turn, unless that has come.
async fn read_to_end(socket: &mut Socket, turn: &str, frames: &mut Vec<Value>) {
    while !frames.iter().any(|frame| is_end(frame) && frame["turn"] == *turn) {
        frames.push(socket.next().await.expect("the connection was cut"));
    }
}

impl Followed {
    fn hello(&self, session: &str) -> Value {
        match self.got.last() {
            Some(last) => json!({ "session": session, "resume_from": last["seq"] }),
            None => json!({ "session": session }),
        }
    }

    async fn lose_and_resume(
        &mut self,
        address: SocketAddr,
        session: &str,
        resumes: usize,
        mut dice: Dice,
    ) {
        while self.resumes < resumes {
            // The first connection holds until there is something to resume from.
            let cut = match (self.got.is_empty(), dice.percent(50)) {
                (true, _) => Cut::Never,
                (false, true) => Cut::Down(dice.below(6000)),
                (false, false) => Cut::After(dice.time(300)),
            };
            let proxy = Proxy::before(address, cut, dice.percent(50)).await;
            let was_empty = self.got.is_empty();
            if let Some((mut socket, welcome)) =
                Socket::open(proxy.address, &self.hello(session)).await
            {
                assert_eq!(welcome["resumed"], !was_empty, "{welcome}");
                self.resumes += usize::from(!was_empty);
                while let Some(frame) = socket.next().await {
                    self.got.push(frame);
                    if was_empty {
                        break;
                    }
                }
            }
            self.cuts += usize::from(proxy.ended().await.cut);
        }
    }
}
