//! The way to Redis, which can be made bad: nothing comes through, or everything late, or the
//! connection is reset now and then, or Redis seems to be loading still.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    task::JoinHandle,
    time::sleep,
};

/// How long a slow Redis takes for each command.
const SLOW: Duration = Duration::from_secs(1);

/// After so many commands a connection is reset.
const RESET_AFTER: usize = 100;

/// What Redis answers while it reads its data.
const LOADING: &[u8] = b"-LOADING Redis is loading the dataset in memory\r\n";

/// What is on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Everything comes through.
    Open,
    /// Nothing does, and no connection ends.
    Hole,
    /// Each command waits for a second.
    Slow,
    /// Every connection is reset after a hundred commands.
    Resets,
    /// Each command is answered as Redis does while it reads its data.
    Loading,
}

/// A port before a Redis.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    way: Arc<Mutex<Way>>,
    listening: JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, way) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Way::Open)));
        let shared = Arc::clone(&way);
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // It ends with its connection, or with the test.
                tokio::spawn(relay(client, target, Arc::clone(&shared)));
            }
        });
        Self { address, way, listening }
    }

    pub(crate) fn set(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn relay(client: TcpStream, target: SocketAddr, way: Arc<Mutex<Way>>) -> io::Result<()> {
    let server = TcpStream::connect(target).await?;
    for end in [&client, &server] {
        end.set_nodelay(true)?;
    }
    SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
    let (from_client, mut to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (answers, mut made_up) = tokio::sync::mpsc::channel(64);
    let down = async {
        let mut from_server = from_server;
        let mut buffer = vec![0; 1 << 16];
        loop {
            tokio::select! {
                // What is made up answers commands that came before whatever Redis answers next.
                biased;
                Some(answer) = made_up.recv() => to_client.write_all(answer).await?,
                read = from_server.read(&mut buffer) => match read? {
                    0 => return Ok(()),
                    _ if *way.lock().unwrap() == Way::Hole => {}
                    read => to_client.write_all(&buffer[..read]).await?,
                },
            }
        }
    };
    tokio::select! {
        ended = down => ended,
        ended = pass_commands(from_client, to_server, &way, answers) => ended,
    }
}

/// Passes commands on, one by one.
async fn pass_commands(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: &Mutex<Way>,
    answers: tokio::sync::mpsc::Sender<&'static [u8]>,
) -> io::Result<()> {
    let (mut unread, mut buffer, mut passed) = (Vec::new(), vec![0; 1 << 16], 0);
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        unread.extend_from_slice(&buffer[..read]);
        while let Some(length) = command_length(&unread) {
            let command: Vec<u8> = unread.drain(..length).collect();
            let now = *way.lock().unwrap();
            match now {
                Way::Hole => continue,
                Way::Slow => sleep(SLOW).await,
                // A connection that was there before counts from its own beginning.
                Way::Resets if passed >= RESET_AFTER => return Ok(()),
                // Who loads has just started: no connection of before is left, and no answer due on it.
                Way::Loading if passed > 0 => return Ok(()),
                Way::Loading => {
                    answers.send(LOADING).await.map_err(io::Error::other)?;
                    continue;
                }
                Way::Open | Way::Resets => {}
            }
            passed += 1;
            to.write_all(&command).await?;
        }
    }
}

/// How many bytes the first command takes (`*2\r\n$3\r\nGET\r\n$1\r\nx\r\n`), once all of it is there.
fn command_length(bytes: &[u8]) -> Option<usize> {
    let number = |at: usize| {
        let line = bytes.get(at + 1..)?.split(|byte| *byte == b'\r').next()?;
        let end = at + 1 + line.len() + 2;
        let value = std::str::from_utf8(line).ok()?.parse::<usize>().ok()?;
        (end <= bytes.len()).then_some((value, end))
    };
    let (arguments, mut at) = number(0)?;
    for _ in 0..arguments {
        let (length, start) = number(at)?;
        at = start + length + 2;
        if at > bytes.len() {
            return None;
        }
    }
    Some(at)
}
