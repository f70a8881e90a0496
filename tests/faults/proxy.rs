//! A connection that is cut: after so many bytes in one direction, or after a while.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::service::PATIENCE;

/// When a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Not at all.
    Never,
    /// When the client has sent so many bytes, which still arrive.
    Up(usize),
    /// When the client was sent so many bytes, which still arrive.
    Down(usize),
    /// After this time.
    After(Duration),
}

/// What went through a connection.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) up: usize,
    pub(crate) down: usize,
    /// It was cut, as opposed to left by one of its ends.
    pub(crate) cut: bool,
}

/// A port that takes one connection and passes it on.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    relay: JoinHandle<Passed>,
}

impl Proxy {
    /// A port before `target`. A connection is reset when it is cut, or else closed.
    pub(crate) async fn before(target: SocketAddr, cut: Cut, resets: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, relay: tokio::spawn(relay(listener, target, cut, resets)) }
    }

    /// Waits for the end of the connection.
    pub(crate) async fn ended(self) -> Passed {
        timeout(PATIENCE, self.relay).await.expect("the connection does not end").unwrap()
    }
}

async fn relay(listener: TcpListener, target: SocketAddr, cut: Cut, resets: bool) -> Passed {
    let (mut client, _) = timeout(PATIENCE, listener.accept()).await.expect("nobody came").unwrap();
    let Ok(mut service) = TcpStream::connect(target).await else { return Passed::default() };
    for end in [&client, &service] {
        end.set_nodelay(true).unwrap();
        let linger = resets.then_some(Duration::ZERO);
        SockRef::from(end).set_linger(linger).unwrap();
    }
    let (up, down) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (from_client, to_client) = client.split();
    let (from_service, to_service) = service.split();
    let (most_up, most_down, time) = match cut {
        Cut::Never => (usize::MAX, usize::MAX, None),
        Cut::Up(bytes) => (bytes, usize::MAX, None),
        Cut::Down(bytes) => (usize::MAX, bytes, None),
        Cut::After(time) => (usize::MAX, usize::MAX, Some(time)),
    };
    let over = async {
        match time {
            Some(time) => sleep(time).await,
            None => std::future::pending().await,
        }
    };
    let cut = tokio::select! {
        cut = pass(from_client, to_service, most_up, &up) => cut,
        cut = pass(from_service, to_client, most_down, &down) => cut,
        () = over => true,
    };
    Passed { up: up.into_inner(), down: down.into_inner(), cut }
}

/// Passes bytes on, at most so many; whether these were all, as opposed to the end of the sender.
async fn pass(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    most: usize,
    passed: &AtomicUsize,
) -> bool {
    let mut buffer = [0; 4096];
    loop {
        let left = most - passed.load(Ordering::Relaxed);
        if left == 0 {
            return true;
        }
        match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return false,
            Ok(read) => {
                let read = read.min(left);
                if to.write_all(&buffer[..read]).await.is_err() {
                    return false;
                }
                passed.fetch_add(read, Ordering::Relaxed);
            }
        }
    }
}
