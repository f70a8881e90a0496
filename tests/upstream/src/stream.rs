//! A streamed answer, and what goes wrong in the middle of it.

use std::{future::pending, io, time::Duration};

use serde_json::Value;
use tokio::time::sleep;

use crate::{Fault, Plan, dialect::Question, writer::Writer};

/// How much a line without end and an answer without end are made of.
const FILLING: &str = "啊啊啊啊啊啊啊啊啊啊啊啊啊啊啊啊";

/// What becomes of the connection after an answer.
#[derive(PartialEq, Eq)]
pub(crate) enum Next {
    Keep,
    Close,
    Reset,
}

/// Streams an answer.
pub(crate) async fn stream(
    question: &Question,
    plan: &Plan,
    pieces: &[String],
    answer: &mut Writer,
) -> io::Result<Next> {
    let fault = &plan.fault;
    let wrong_type = *fault == Fault::WrongType;
    answer.single = *fault == Fault::Split;
    answer.begin(if wrong_type { "image/png" } else { "text/event-stream; charset=utf-8" }).await?;
    // The server of ChatGLM3 is made with a library whose lines end so.
    let end = if *fault == Fault::Crlf || question.is_chatglm3() { "\r\n" } else { "\n" };
    let mut stream = Stream { question, plan, said: String::new(), answer, end, sent: 0 };
    if *fault == Fault::Empty || question.is_chatglm3() && is_short(pieces) {
        stream.answer.end().await?;
        return Ok(Next::Keep);
    }
    stream.open().await?;
    if !plan.choices.is_empty() {
        return stream.choose().await;
    }
    let pieces = if *fault == Fault::NoText || *fault == Fault::Refusal { &[] } else { pieces };
    for (index, piece) in pieces.iter().enumerate() {
        if let Some(next) = stream.trouble(index).await? {
            return Ok(next);
        }
        stream.pause(index).await?;
        if *fault == Fault::Comments {
            stream.answer.raw(&format!(": keep-alive{end}{end}")).await?;
        }
        stream.send(&question.piece(piece)).await?;
        stream.said.push_str(piece);
    }
    if let Some(next) = stream.trouble(pieces.len()).await? {
        return Ok(next);
    }
    stream.close(false, pieces.len()).await
}

/// ChatGLM3's server swallows the only chunk of an answer of up to 7 characters.
fn is_short(pieces: &[String]) -> bool {
    pieces.iter().map(|piece| piece.chars().count()).sum::<usize>() <= 7
}

/// An answer that is streamed.
struct Stream<'a> {
    question: &'a Question,
    plan: &'a Plan,
    /// The text so far.
    said: String,
    answer: &'a mut Writer,
    end: &'static str,
    /// Frames so far.
    sent: u64,
}

impl Stream<'_> {
    async fn open(&mut self) -> io::Result<()> {
        for chunk in self.question.opening() {
            self.send(&chunk).await?;
        }
        match self.plan.fault {
            Fault::Refusal => {
                for piece in ["I'm sorry, ", "I can't help with that."] {
                    self.send(&self.question.refusal(piece)).await?;
                }
            }
            Fault::HugeLine => {
                self.answer.raw("data: ").await?;
                loop {
                    self.answer.raw(FILLING).await?;
                }
            }
            Fault::Endless => loop {
                self.send(&self.question.piece(&FILLING.repeat(64))).await?;
            },
            _ => {}
        }
        Ok(())
    }

    /// What goes wrong before the piece of this number, and what then becomes of the connection.
    async fn trouble(&mut self, index: usize) -> io::Result<Option<Next>> {
        let next = match self.plan.fault {
            Fault::Stall(at) if at == index => {
                self.answer.flush().await?;
                pending().await
            }
            Fault::Broken(at) if at == index => {
                let broken = format!("{{\"choices\": [{{\"delta\": {{\"content\": \"{FILLING}");
                self.answer.frame(&broken, self.end).await?;
                self.answer.end().await?;
                Next::Keep
            }
            Fault::Reset(at) if at == index => {
                self.answer.flush().await?;
                // What was sent has to arrive before the reset overtakes it.
                sleep(Duration::from_millis(20)).await;
                Next::Reset
            }
            Fault::Fin(at) if at == index => {
                self.answer.flush().await?;
                Next::Close
            }
            Fault::Cut(at) if at == index => {
                self.answer.end().await?;
                Next::Keep
            }
            Fault::Error(at) if at == index => {
                for frame in self.question.failure("ordered by the test") {
                    self.send(&frame).await?;
                }
                self.answer.end().await?;
                Next::Keep
            }
            Fault::Filtered(at) if at == index => self.close(true, at).await?,
            _ => return Ok(None),
        };
        Ok(Some(next))
    }

    async fn close(&mut self, filtered: bool, tokens: usize) -> io::Result<Next> {
        if self.plan.fault != Fault::DoneOnly {
            for chunk in self.question.ending(filtered, &self.said, tokens) {
                self.send(&chunk).await?;
            }
        }
        if self.plan.fault != Fault::NoDone
            && let Some(done) = self.question.done()
        {
            self.answer.frame(done, self.end).await?;
        }
        self.answer.end().await?;
        Ok(Next::Keep)
    }

    /// Sends the choices of the plan, and what follows the reason to end.
    async fn choose(&mut self) -> io::Result<Next> {
        for (index, choice) in self.plan.choices.iter().enumerate() {
            self.pause(index).await?;
            self.send(&self.question.choice(choice)).await?;
        }
        // Of the ending only what comes after the reason, which is among the choices.
        for chunk in self.question.ending(false, "", self.plan.choices.len()).iter().skip(1) {
            self.send(chunk).await?;
        }
        self.answer.frame("[DONE]", self.end).await?;
        self.answer.end().await?;
        Ok(Next::Keep)
    }

    async fn pause(&mut self, index: usize) -> io::Result<()> {
        let pause = self.plan.pause(index);
        if !pause.is_zero() {
            self.answer.flush().await?;
            sleep(pause).await;
        }
        Ok(())
    }

    async fn send(&mut self, chunk: &Value) -> io::Result<()> {
        let (name, data) = self.question.framed(chunk, self.sent);
        self.sent += 1;
        if let Some(name) = name {
            self.answer.raw(&format!("event: {name}{}", self.end)).await?;
        }
        self.answer.frame(&data, self.end).await
    }
}
