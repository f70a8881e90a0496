//! The model server: OpenAI's chat completions, streamed, each token in a write of its own and its
//! time in the ledger.

mod pacer;
mod request;
mod wire;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::Context;
use tokio::{
    net::{TcpListener, TcpStream},
    task::yield_now,
};

use crate::ledger::{Ledger, Record};
use pacer::Pacer;
use request::{Request, read_request};

/// A running model server.
#[derive(Debug)]
pub(crate) struct Mock {
    pub(crate) address: SocketAddr,
    pub(crate) ledger: Arc<Ledger>,
}

impl Mock {
    /// Listens on a free port, and serves on the current runtime until that ends.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let ledger = Arc::new(Ledger::default());
        let pacer = Pacer::start().context("the thread that paces")?;
        let known = Arc::clone(&ledger);
        tokio::spawn(async move {
            // A client that is gone before it is accepted is no reason to end.
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, Arc::clone(&known), pacer.clone()));
                }
            }
        });
        Ok(Self { address, ledger })
    }

    /// Its address as gateways are told it.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

/// Serves one connection to its end, which it notes in the record of the last stream.
async fn serve(stream: TcpStream, ledger: Arc<Ledger>, pacer: Pacer) {
    let stream = Arc::new(stream);
    let mut last: Option<Arc<Record>> = None;
    // An error is the end, as far as a server can know.
    let _ = requests(&stream, &ledger, &pacer, &mut last).await;
    if let Some(record) = last {
        record.note_close();
    }
}

async fn requests(
    stream: &Arc<TcpStream>,
    ledger: &Ledger,
    pacer: &Pacer,
    last: &mut Option<Arc<Record>>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(16 * 1024);
    while let Some(Request { stream: id, usage }) = read_request(stream, &mut buffer).await? {
        let Some(record) = id.and_then(|id| ledger.find(id)) else {
            send(stream, &wire::unknown()).await?;
            continue;
        };
        let received = record.note_request();
        *last = Some(Arc::clone(&record));
        send(stream, &wire::beginning()).await?;
        if record.script.pace.is_instant() {
            answer(stream, &record, usage).await?;
        } else {
            pacer.pace(Arc::clone(stream), record, received, usage);
        }
    }
    Ok(())
}

/// Sends everything at once, and lets the client read in between, which lives on the same thread.
async fn answer(stream: &TcpStream, record: &Record, usage: bool) -> io::Result<()> {
    let mut frame = wire::TokenFrame::new();
    for token in 0..record.script.tokens {
        let bytes = frame.saying(&record.text, token);
        record.note_token(token);
        send(stream, bytes).await?;
        yield_now().await;
    }
    send(stream, &wire::end(usage)).await
}

async fn send(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
