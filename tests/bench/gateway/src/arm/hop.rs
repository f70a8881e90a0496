//! A hop that looks at nothing: what passing bytes on costs on this machine, whoever does it.

use std::{env, io, net::SocketAddr};

use anyhow::Context;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime,
};

use super::{Arm, Name, roll::Ground};
use crate::{
    client::Speech,
    process::{self, Group},
    redis::free_address,
};

/// What this program is called with to be one.
pub(crate) const HOP: &str = "hop";

/// Starts this program once more, as a hop to the mock.
pub(super) fn start(ground: &Ground, mock: SocketAddr) -> anyhow::Result<Arm> {
    let address = free_address()?;
    let this = env::current_exe().context("where is this program?")?;
    let mut command = process::on(ground.pinning.arm(), &this);
    command.arg(HOP).args([address.to_string(), mock.to_string()]);
    let log = ground.home.join(HOP);
    let group = Group::start(&mut command, &log)?;
    let made_of = "tokio's copy of bytes, by this program".to_owned();
    let speech = Speech::Completions;
    Ok(Arm { name: Name::Hop, speech, address, made_of, group: Some(group), log })
}

/// Is a hop; the arguments are where it listens and where what comes in goes. Never ends.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut address = || -> anyhow::Result<SocketAddr> {
        Ok(arguments.next().context("an address is missing")?.parse()?)
    };
    let (here, there) = (address()?, address()?);
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(here, there))
}

async fn serve(here: SocketAddr, there: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(here).await?;
    loop {
        let (client, _) = listener.accept().await?;
        // It ends with either end; whatever breaks is seen by both.
        tokio::spawn(pass_on(client, there));
    }
}

async fn pass_on(mut client: TcpStream, there: SocketAddr) -> io::Result<()> {
    let mut upstream = TcpStream::connect(there).await?;
    client.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut upstream).await.map(drop)
}
