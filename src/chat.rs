//! The terminal client: a conversation over the native protocol.
//!
//! What the digital human says appears sentence by sentence with its emotion; Ctrl-C interrupts
//! it, and ends the client when nothing is being said.

use std::{
    io::{IsTerminal, Write},
    net::SocketAddr,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use futures::{SinkExt, StreamExt};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    signal::ctrl_c,
    sync::oneshot,
    task::JoinHandle,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http::{HeaderValue, header::AUTHORIZATION},
    },
};

use crate::{app::Application, settings::Settings, telemetry, turn::TurnId};

/// How long the last words of a conversation may take when the input ends.
const LAST_WORDS: Duration = Duration::from_mins(2);

/// Talks with the service at `url` until the input ends, with the key that it asks for, if any.
///
/// # Errors
/// When the service cannot be reached, or the connection breaks.
pub async fn talk(url: &str, key: Option<&SecretString>) -> anyhow::Result<()> {
    let socket = connect(url, key).await.map_err(|error| match error {
        tungstenite::Error::Http(answer) if answer.status() == 401 => {
            anyhow!("{url} wants a key; put it into the variable ANIMA_KEY")
        }
        error => anyhow!("cannot reach {url}: {error}"),
    })?;
    Conversation::new(socket).run().await
}

/// Talks with the service that `settings` describe. When it does not listen, it is started, and
/// ends with the conversation.
///
/// # Errors
/// When the service cannot be reached or started, or the connection breaks.
pub async fn talk_here(settings: Settings) -> anyhow::Result<()> {
    let address = SocketAddr::new(settings.server.host, settings.server.port);
    let key = settings.any_key()?;
    if address.port() != 0 && TcpStream::connect(address).await.is_ok() {
        return talk(&format!("ws://{address}/ws"), key.as_ref()).await;
    }
    say("No service listens; starting one …\n")?;
    let service = OwnService::start(settings).await?;
    let outcome = talk(&service.url, key.as_ref()).await;
    service.stop().await?;
    outcome
}

/// A service that lives as long as the conversation.
struct OwnService {
    url: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl OwnService {
    async fn start(mut settings: Settings) -> anyhow::Result<Self> {
        // A conversation is no place for log lines below a warning.
        if settings.telemetry.log == "info" {
            "warn".clone_into(&mut settings.telemetry.log);
        }
        telemetry::install(&settings.telemetry)?;
        let application = Application::build(settings).await?;
        let url = format!("ws://{}/ws", application.address());
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            // A dropped sender means the same: the conversation is over.
            let _ = stopped.await;
        };
        let task = tokio::spawn(application.run_until_stopped(stopped));
        Ok(Self { url, stop, task })
    }

    async fn stop(self) -> anyhow::Result<()> {
        // A service that ended by itself needs no stopping.
        let _ = self.stop.send(());
        Ok(self.task.await??)
    }
}

/// Connects without Nagle's delay, so that a word leaves when it is typed.
async fn connect(url: &str, key: Option<&SecretString>) -> Result<Socket, tungstenite::Error> {
    let mut request = url.into_client_request()?;
    if let Some(key) = key {
        let value = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()))?;
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    connect_async_with_config(request, None, true).await.map(|(socket, _)| socket)
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The client's side of a conversation.
struct Conversation {
    socket: Socket,
    /// The turn that is being answered.
    turn: Option<TurnId>,
    /// Something was shown on the current line.
    mid_line: bool,
    colours: bool,
}

impl Conversation {
    fn new(socket: Socket) -> Self {
        Self { socket, turn: None, mid_line: false, colours: std::io::stdout().is_terminal() }
    }

    async fn run(mut self) -> anyhow::Result<()> {
        self.send(&json!({ "type": "hello" })).await?;
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        let mut input_open = true;
        // A person may cut in by typing; lines from a file wait for the answer before.
        let typed = std::io::stdin().is_terminal();
        loop {
            tokio::select! {
                frame = self.socket.next() => match frame {
                    Some(Ok(Message::Text(text))) => self.show(&serde_json::from_str(&text)?)?,
                    Some(Ok(Message::Close(frame))) => {
                        let reason = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
                        bail!("the service closed the connection: {reason}");
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error).context("the connection broke"),
                    None => bail!("the connection ended"),
                },
                line = lines.next_line(), if input_open && (self.turn.is_none() || typed) => match line? {
                    Some(line) if line.trim().is_empty() => self.prompt()?,
                    Some(line) => {
                        let turn = TurnId::generate();
                        self.send(&json!({ "type": "say", "turn": turn, "text": line })).await?;
                        self.turn = Some(turn);
                    }
                    None => input_open = false,
                },
                pressed = ctrl_c() => {
                    pressed?;
                    if self.turn.is_none() {
                        break;
                    }
                    self.send(&json!({ "type": "interrupt" })).await?;
                }
                () = tokio::time::sleep(LAST_WORDS), if !input_open && self.turn.is_some() => break,
            }
            if !input_open && self.turn.is_none() {
                break;
            }
        }
        say("\n")?;
        // The service may be faster to close; both ends are what we want.
        let _ = self.socket.close(None).await;
        Ok(())
    }

    async fn send(&mut self, frame: &Value) -> anyhow::Result<()> {
        Ok(self.socket.send(Message::text(frame.to_string())).await?)
    }

    fn show(&mut self, frame: &Value) -> anyhow::Result<()> {
        let text = |key: &str| frame[key].as_str().unwrap_or_default();
        let older = !text("turn").is_empty()
            && self.turn.as_ref().is_some_and(|turn| turn.as_str() != text("turn"));
        match text("type") {
            "welcome" => {
                let who = format!("{} with {}", text("persona"), text("provider"));
                say(&format!("Talking to {who}. Ctrl-C interrupts, Ctrl-D ends.\n"))?;
                self.prompt()
            }
            "queued" => say(&self.dim(&format!("({} before you) ", frame["ahead"]))),
            "sentence" => {
                let emotion = if self.mid_line {
                    String::new()
                } else {
                    format!("{} ", face(text("emotion")))
                };
                self.mid_line = true;
                say(&format!("{emotion}{}", printable(text("text"))))
            }
            // The turn that was cut in on; the one that cut in is still to be answered.
            "finished" | "failed" if older => {
                self.mid_line = false;
                say(&self.dim("  (interrupted)\n"))
            }
            "finished" => {
                let first = &frame["timing"]["first_sentence_ms"];
                let note = match text("reason") {
                    "complete" => format!("  ({first} ms to the first sentence)"),
                    reason => format!("  ({reason})"),
                };
                say(&self.dim(&note))?;
                self.end_of_turn()
            }
            "failed" | "error" => {
                say(&self.dim(&format!("! {}", printable(text("message")))))?;
                self.end_of_turn()
            }
            "goaway" => say(&self.dim("(the service is about to end)\n")),
            _ => Ok(()),
        }
    }

    fn end_of_turn(&mut self) -> anyhow::Result<()> {
        self.turn = None;
        self.mid_line = false;
        say("\n")?;
        self.prompt()
    }

    fn prompt(&self) -> anyhow::Result<()> {
        say(&self.dim("> "))
    }

    fn dim(&self, text: &str) -> String {
        if self.colours { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The face that an emotion shows in a terminal.
fn face(emotion: &str) -> &'static str {
    match emotion {
        "joy" => "😊",
        "calm" => "😌",
        "sad" => "😔",
        "surprise" => "😮",
        "sorry" => "🙏",
        "curious" => "🤔",
        "proud" => "😎",
        "anger" => "😠",
        "fear" => "😨",
        _ => "🙂",
    }
}

/// A text without characters that could steer the terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| *c == '\n' || !c.is_control()).collect()
}

/// Writes to the terminal at once.
fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
