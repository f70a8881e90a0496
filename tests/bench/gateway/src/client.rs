//! A client's side of a stream: what it asks, when each token came, and whether the text is right.

mod body;
mod chat;
mod reading;
mod socket;

use std::{net::SocketAddr, time::Duration};

use tokio::time::timeout;

use crate::{
    clock::{Stamp, microseconds},
    ledger::Record,
    mock::Mock,
    script::Pace,
};
use chat::Chat;
pub(crate) use reading::Fault;
use reading::Reading;
use socket::Socket;

/// How long a stream may be silent before it counts as broken.
const PATIENCE: Duration = Duration::from_mins(1);

/// How an arm is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    /// OpenAI's chat completions, streamed.
    Completions,
    /// Linly-Talker's `POST /`, with an answer in lines of JSON.
    Linly,
    /// A turn of Anima's native WebSocket.
    Turn,
}

/// How much of an answer a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    End,
    /// So many tokens; then it breaks off.
    Token(usize),
}

/// A client that may ask many times, one stream after the other.
#[derive(Debug)]
pub(crate) enum Client {
    Chat(Chat),
    Turn(Option<Box<Socket>>, SocketAddr),
}

/// What a client saw of a stream, with the mock's side of it.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The request is about to be sent.
    pub(crate) asked: Stamp,
    /// The words are kept; where an arm says so.
    pub(crate) accepted: Option<Stamp>,
    /// When the text was there up to each token.
    pub(crate) arrivals: Vec<Stamp>,
    /// The client breaks off; where it does.
    pub(crate) broke_off: Option<Stamp>,
}

impl Client {
    pub(crate) fn new(speech: Speech, address: SocketAddr) -> Self {
        match speech {
            Speech::Completions | Speech::Linly => Self::Chat(Chat::new(speech, address)),
            Speech::Turn => Self::Turn(None, address),
        }
    }

    /// Asks for a stream and reads it. After a fault the next one begins with a new connection.
    pub(crate) async fn stream(&mut self, record: &Record, until: Until) -> Result<Seen, Fault> {
        let stream = async {
            match self {
                Self::Chat(chat) => chat.stream(record, until).await,
                Self::Turn(socket, address) => {
                    let open = match socket.take() {
                        Some(open) => open,
                        None => Box::new(Socket::connect(*address).await?),
                    };
                    let open = socket.insert(open);
                    let seen = open.turn(record, until).await;
                    if seen.is_err() {
                        *socket = None;
                    }
                    seen
                }
            }
        };
        let seen = timeout(PATIENCE, stream).await;
        seen.unwrap_or_else(|_| Err(Fault::Broken("the stream takes too long".to_owned())))
    }

    /// Asks for an answer that comes at once, to see whether anybody is there.
    pub(crate) async fn try_out(&mut self, mock: &Mock) -> Result<(), Fault> {
        let opened = mock.ledger.open(4, 2, Pace::INSTANT);
        self.stream(&opened.record, Until::End).await.map(drop)
    }
}

impl Seen {
    /// What was added on the way there and back up to this token, in microseconds: the time that the
    /// client waited for it, less the time that the mock took.
    pub(crate) fn added(&self, record: &Record, token: usize) -> f64 {
        let waited = microseconds(self.asked, self.arrivals[token]);
        waited - microseconds(record.received(), record.sent(token))
    }

    /// From sending a token to its arrival, in microseconds.
    pub(crate) fn way_back(&self, record: &Record, token: usize) -> f64 {
        microseconds(record.sent(token), self.arrivals[token])
    }
}
