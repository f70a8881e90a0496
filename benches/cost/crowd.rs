//! What clients that do not read cost the others: how long twenty people wait for their answers, with
//! and without two hundred sockets that watch somebody speak and take nothing.
//!
//! The service has the first processor; `taskset` keeps its clients to another one. Both cases take
//! turns, so that what the machine does meanwhile touches them alike.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures::future::{join, try_join, try_join_all};
use serde_json::json;
use tokio::{
    io::{AsyncWriteExt, Interest},
    net::{TcpSocket, TcpStream},
    runtime,
    time::{sleep, sleep_until},
};

use crate::{
    Plan,
    client::Client,
    processor::{forget_most_resident, most_resident, resident, used_by},
    report::{Row, Samples, milliseconds},
    service::{Model, Service},
};

/// The processor of the service.
const PROCESSOR: usize = 0;
/// Clients that talk and listen.
const PEOPLE: usize = 20;
/// Clients that do not read.
const SILENT: usize = 200;
/// How long a round is measured.
const ROUND: Duration = Duration::from_secs(10);
/// How long a person thinks before the next question.
const PAUSE: Duration = Duration::from_millis(100);
/// How often a speech begins.
const SPEECH_EVERY: Duration = Duration::from_millis(250);
/// One speech, of 16 KiB.
const SENTENCE: &str = "One sentence after the other. ";
const SENTENCES: usize = 540;
/// Speeches that fill what a session remembers.
const FIRST_SPEECHES: usize = 8;
/// How much a client that does not read can hold, in bytes.
const NARROW: u32 = 4096;

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Vec<Row>> {
    let rounds = plan.times(8, 1);
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let service = Service::start_on(&plan.anima, Model::Scripted, PROCESSOR)?;
    let measured = runtime.block_on(take_turns(&service, rounds))?;
    let how = format!(
        "{PEOPLE} clients beside one that speaks 64 KiB/s, the service on one processor; \
         medians of {rounds} rounds"
    );
    let row = |what: &str, case: &Case| {
        let figure = format!("p50 {:.1} ms, p99 {:.1} ms", case.half.median(), case.most.median());
        Row::new(what, figure, "", format!("{how} of {} answers", case.answers / rounds))
    };
    let Measured { alone, beside, memory, gone } = measured;
    let ratio = beside.most.median() / alone.most.median();
    let ratios =
        beside.most.values().iter().zip(alone.most.values()).map(|(beside, alone)| beside / alone);
    let ratios = ratios.map(|ratio| format!("{ratio:.2}")).collect::<Vec<_>>().join(" ");
    let silent = format!("{SILENT} sockets that do not read");
    Ok(vec![
        row("an answer, among clients that read", &alone),
        row(&format!("an answer beside {silent}"), &beside),
        Row::new("99th percentile beside them over without", format!("{ratio:.2}"), "1.5", ratios),
        Row::new(
            format!("processor time that {silent} cost"),
            format!("{:.0} ms", beside.processor.median() - alone.processor.median()),
            "",
            format!("in 10 s, over {:.0} ms without them", alone.processor.median()),
        ),
        Row::new(
            format!("memory of {silent}, at most"),
            format!("{:.1} MiB", memory.median()),
            "64 MiB",
            "resident at the peak, less than before; median of the rounds",
        ),
        Row::new(
            format!("{silent}, gone after"),
            format!("{:.1} s", gone.percentile(100)),
            "15 s",
            "the longest of the rounds",
        ),
    ])
}

/// What the rounds of one case took, in milliseconds.
#[derive(Default)]
struct Case {
    half: Samples,
    most: Samples,
    /// Of the service.
    processor: Samples,
    answers: usize,
}

impl Case {
    fn add(&mut self, answers: &Samples, processor: Duration) {
        self.processor.push(milliseconds(processor));
        self.half.push(answers.median());
        self.most.push(answers.percentile(99));
        self.answers += answers.len();
    }
}

/// Both cases, and what the silent clients cost in each round: MiB, and seconds until they are gone.
#[derive(Default)]
struct Measured {
    alone: Case,
    beside: Case,
    memory: Samples,
    gone: Samples,
}

async fn take_turns(service: &Service, rounds: usize) -> anyhow::Result<Measured> {
    let address = service.address();
    let mut scene = Scene::set(address).await?;
    let mut measured = Measured::default();
    for _ in 0..rounds {
        let used = used_by(service.id())?;
        let answers = scene.round().await?;
        measured.alone.add(&answers, used_by(service.id())?.saturating_sub(used));
        let before = resident(service.id())?;
        forget_most_resident(service.id())?;
        let used = used_by(service.id())?;
        let silent = scene.silent().await?;
        let began = Instant::now();
        let gone = async {
            try_join_all(silent.into_iter().map(outlast)).await?;
            anyhow::Ok(began.elapsed())
        };
        let (answers, gone) = join(scene.round(), gone).await;
        measured.beside.add(&answers?, used_by(service.id())?.saturating_sub(used));
        measured.gone.push(gone?.as_secs_f64());
        measured.memory.push((most_resident(service.id())? - before) / 1024.0);
    }
    Ok(measured)
}

/// People who talk, and somebody who makes speeches.
struct Scene {
    address: SocketAddr,
    people: Vec<Client>,
    speaker: Client,
    session: String,
}

impl Scene {
    async fn set(address: SocketAddr) -> anyhow::Result<Self> {
        let people = try_join_all((0..PEOPLE).map(|_| Client::connect(address))).await?;
        let mut speaker = Client::connect(address).await?;
        speaker.send(r#"{"type":"hello"}"#).await?;
        let welcome: serde_json::Value = serde_json::from_str(&speaker.until("welcome").await?)?;
        let session = welcome["session"].as_str().context("a session")?.to_owned();
        for _ in 0..FIRST_SPEECHES {
            speak(&mut speaker).await?;
        }
        let mut scene = Self { address, people, speaker, session };
        scene.round().await?;
        Ok(scene)
    }

    /// Lets everybody talk for a while; gives how long each answer took, in milliseconds.
    async fn round(&mut self) -> anyhow::Result<Samples> {
        let end = Instant::now() + ROUND;
        let people = try_join_all(self.people.iter_mut().map(|person| talk(person, end)));
        let (times, ()) = try_join(people, make_speeches(&mut self.speaker, end)).await?;
        Ok(times.into_iter().flatten().collect())
    }

    /// Clients that watch the speaker and read nothing.
    async fn silent(&self) -> anyhow::Result<Vec<TcpStream>> {
        let hello = json!({ "type": "hello", "session": self.session, "observe": true });
        let hello = masked(&hello.to_string())?;
        let handshake = format!(
            "GET /ws HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.address
        );
        let all = [handshake.as_bytes(), &hello].concat();
        let mut silent = Vec::new();
        for _ in 0..SILENT {
            let socket = TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(NARROW)?;
            let mut stream = socket.connect(self.address).await?;
            stream.write_all(&all).await?;
            silent.push(stream);
        }
        Ok(silent)
    }
}

async fn talk(person: &mut Client, end: Instant) -> anyhow::Result<Vec<f64>> {
    let mut times = Vec::new();
    while Instant::now() < end {
        let began = Instant::now();
        person.send(r#"{"type":"say","text":"你好"}"#).await?;
        person.until("finished").await?;
        times.push(milliseconds(began.elapsed()));
        sleep(PAUSE).await;
    }
    Ok(times)
}

async fn make_speeches(speaker: &mut Client, end: Instant) -> anyhow::Result<()> {
    let mut next = Instant::now();
    while next < end {
        sleep_until(next.into()).await;
        speak(speaker).await?;
        next = Instant::now().max(next + SPEECH_EVERY);
    }
    Ok(())
}

async fn speak(speaker: &mut Client) -> anyhow::Result<()> {
    let speech = json!({ "type": "speak", "text": SENTENCE.repeat(SENTENCES) });
    speaker.send(&speech.to_string()).await?;
    speaker.until("finished").await.map(drop)
}

/// A text frame of a client; the mask is zero.
fn masked(text: &str) -> anyhow::Result<Vec<u8>> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 126);
    let length = length.context("a frame of less than 126 bytes")?;
    Ok([&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat())
}

/// Waits until the service has cut the connection, without having read anything.
async fn outlast(stream: TcpStream) -> anyhow::Result<()> {
    stream.ready(Interest::ERROR).await?;
    ensure!(stream.take_error()?.is_some(), "a client that does not read was not cut off");
    Ok(())
}
