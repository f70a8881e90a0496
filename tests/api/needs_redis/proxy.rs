//! A way to Redis on which one command, or its answer, is lost.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::server::RedisServer;

/// What is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// The command never comes to Redis.
    Command,
    /// Redis does what it was told, and its answer never comes back.
    Answer,
}

/// A port before a Redis. The connection ends with the loss.
pub(super) struct Proxy {
    address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
    listening: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Plan {
    /// What is lost next, and a text of the command that it concerns.
    loss: Option<(Loss, &'static [u8])>,
    /// Whether Redis cannot be reached after the loss.
    outage: bool,
    /// Whether it cannot be reached now.
    down: bool,
}

impl Proxy {
    pub(super) async fn before(server: &RedisServer) -> Self {
        let target = server.url().trim_start_matches("redis://").parse().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, plan) = (listener.local_addr().unwrap(), Arc::default());
        let listening = tokio::spawn(listen(listener, target, Arc::clone(&plan)));
        Self { address, plan, listening }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Loses the next command with this text, or its answer; with an outage after it, Redis cannot
    /// be reached until [`Proxy::restore`].
    pub(super) fn lose(&self, loss: Loss, text: &'static str, outage: bool) {
        *self.plan.lock().unwrap() =
            Plan { loss: Some((loss, text.as_bytes())), outage, down: false };
    }

    /// Ends the outage; what was to be lost has to have been.
    pub(super) fn restore(&self) {
        let mut plan = self.plan.lock().unwrap();
        assert_eq!(plan.loss, None, "nothing was lost");
        plan.down = false;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, target: SocketAddr, plan: Arc<Mutex<Plan>>) {
    while let Ok((client, _)) = listener.accept().await {
        let redis = TcpStream::connect(target).await.unwrap();
        // It ends with its connection.
        tokio::spawn(relay(client, redis, Arc::clone(&plan)));
    }
}

async fn relay(mut client: TcpStream, mut redis: TcpStream, plan: Arc<Mutex<Plan>>) {
    let mut commands = vec![0; 1 << 16];
    let mut answers = vec![0; 1 << 16];
    loop {
        if plan.lock().unwrap().down {
            return;
        }
        tokio::select! {
            read = client.read(&mut commands) => {
                let Some(commands) = some(&commands, read) else { return };
                let loss = plan.lock().unwrap().take(commands);
                if loss != Some(Loss::Command) && redis.write_all(commands).await.is_err() {
                    return;
                }
                if loss == Some(Loss::Answer) {
                    let read = redis.read(&mut answers).await;
                    assert!(some(&answers, read).is_some(), "Redis gave no answer");
                }
                if loss.is_some() {
                    return;
                }
            }
            read = redis.read(&mut answers) => {
                let Some(answers) = some(&answers, read) else { return };
                if client.write_all(answers).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// What was read, if it was something.
fn some(buffer: &[u8], read: std::io::Result<usize>) -> Option<&[u8]> {
    read.ok().filter(|read| *read > 0).map(|read| &buffer[..read])
}

impl Plan {
    /// What is lost of these commands.
    fn take(&mut self, commands: &[u8]) -> Option<Loss> {
        let (_, text) = self.loss?;
        commands.windows(text.len()).find(|window| *window == text)?;
        self.down = self.outage;
        self.loss.take().map(|(loss, _)| loss)
    }
}
