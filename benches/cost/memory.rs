//! Memory of idle sessions: thousands of sockets on one process, and what each of them adds.

use std::{
    env,
    net::{Ipv4Addr, SocketAddr},
    process::Command,
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};
use tokio::{runtime, time::sleep};

use crate::{
    Plan,
    client::Client,
    latency::ask,
    processor::{open_files, resident},
    report::{Row, number},
    service::{Model, Process, Service},
};

/// Clients that do something at the same time.
const AT_ONCE: usize = 64;
/// Files that are open beside the sockets, on either side.
const OTHER_FILES: usize = 200;
/// Files that the service may hold for each of its connections.
const FILES_EACH: usize = 2;
/// Sockets from one source address, well below the ports that it has.
const EACH_SOURCE: usize = 10_000;
/// How long the service may still tidy up before it is looked at.
const SETTLE: Duration = Duration::from_secs(2);

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Vec<Row>> {
    let sockets = plan.sockets.min(open_files()?.saturating_sub(OTHER_FILES) / FILES_EACH);
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let floor = runtime.block_on(plain(sockets))?;
    let ours = runtime.block_on(ours(plan, sockets))?;
    let row = |what: &str, kib: f64, bar, how: &str| {
        let how = format!("{how}; {sockets} sockets, resident memory");
        Row::new(format!("memory of a socket: {what}"), format!("{kib:.1} KiB"), bar, how)
    };
    Ok(vec![
        row("actix-ws alone", floor, "", "a server that does nothing else"),
        row("connected", ours.connected, "", "after the handshake"),
        row("in a session", ours.greeted, "aim 16 KiB", "after hello and welcome"),
        row("after a turn", ours.asked, "", "the turn's events kept for a client that comes back"),
    ])
}

/// KiB for each socket, all of it counted from the process without sockets.
struct Shares {
    connected: f64,
    greeted: f64,
    asked: f64,
}

/// A server with nothing behind its sockets.
async fn plain(sockets: usize) -> anyhow::Result<f64> {
    let server = Process::start(Command::new(env::current_exe()?).arg("--plain-server"))?;
    let process = server.child.id();
    warm_up(server.address, false).await?;
    let empty = resident(process)?;
    let clients = connect(server.address, sockets).await?;
    sleep(SETTLE).await;
    let full = resident(process)?;
    drop(clients);
    Ok((full - empty) / number(sockets))
}

async fn ours(plan: &Plan, sockets: usize) -> anyhow::Result<Shares> {
    let service = Service::start(&plan.anima, Model::Scripted)?;
    warm_up(service.address(), true).await?;
    let empty = resident(service.id())?;
    let share = async || {
        sleep(SETTLE).await;
        anyhow::Ok((resident(service.id())? - empty) / number(sockets))
    };
    let clients = connect(service.address(), sockets).await?;
    let connected = share().await?;
    let clients = each(clients, async |client| greet(client).await).await?;
    let greeted = share().await?;
    let clients = each(clients, async |client| answer(client).await).await?;
    let asked = share().await?;
    drop(clients);
    Ok(Shares { connected, greeted, asked })
}

/// Has everything done once that is only done once.
async fn warm_up(address: SocketAddr, whole: bool) -> anyhow::Result<()> {
    let clients = connect(address, AT_ONCE).await?;
    if whole {
        let clients = each(clients, async |client| greet(client).await).await?;
        each(clients, async |client| answer(client).await).await?;
    }
    sleep(SETTLE).await;
    Ok(())
}

async fn greet(client: &mut Client) -> anyhow::Result<()> {
    client.send(r#"{"type":"hello"}"#).await?;
    client.until("welcome").await.map(drop)
}

async fn answer(client: &mut Client) -> anyhow::Result<()> {
    ask(client, r#"{"type":"say","text":"你好"}"#).await.map(drop)
}

async fn connect(address: SocketAddr, sockets: usize) -> anyhow::Result<Vec<Client>> {
    let connections = (0..sockets).map(|number| {
        let source = u8::try_from(number / EACH_SOURCE).unwrap_or(u8::MAX - 1) + 1;
        Client::connect_from(Ipv4Addr::new(127, 0, 0, source), address)
    });
    stream::iter(connections).buffer_unordered(AT_ONCE).try_collect().await
}

/// Has every client do something.
async fn each(
    clients: Vec<Client>,
    does: impl AsyncFn(&mut Client) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Client>> {
    let does = &does;
    let busy = clients.into_iter().map(async |mut client| {
        does(&mut client).await?;
        anyhow::Ok(client)
    });
    stream::iter(busy).buffer_unordered(AT_ONCE).try_collect().await
}
