//! The thread that sends tokens when they are due. Deadlines count from the request, so being late
//! once does not make everything later. The runtime's own timer has steps of a millisecond, in which
//! the tokens of a thousand streams would come in bursts.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use tokio::net::TcpStream;

use super::wire::{self, TokenFrame};
use crate::{
    clock::{self, Stamp, nanoseconds},
    ledger::Record,
};

/// How long to wait before a full socket is tried again.
const RETRY: u64 = 1_000_000;

/// A handle on the thread, which ends with the last one.
#[derive(Debug, Clone)]
pub(super) struct Pacer {
    jobs: Sender<Job>,
}

impl Pacer {
    pub(super) fn start() -> io::Result<Self> {
        // The number of streams bounds what is in it: each has one job at a time.
        let (jobs, waiting) = channel();
        thread::Builder::new().name("pacer".to_owned()).spawn(move || run(&waiting))?;
        Ok(Self { jobs })
    }

    /// Sends the tokens of `record` in its pace, and then the end.
    pub(super) fn pace(
        &self,
        stream: Arc<TcpStream>,
        record: Arc<Record>,
        received: Stamp,
        usage: bool,
    ) {
        let first = nanoseconds(record.script.pace.first);
        let job = Job {
            due: received + first,
            received,
            next: 0,
            rest: Vec::new(),
            stream,
            record,
            usage,
        };
        // It fails only where the thread has panicked, and then no stream ends well.
        let _ = self.jobs.send(job);
    }
}

/// A stream that has something to send at a certain time.
#[derive(Debug)]
struct Job {
    due: Stamp,
    received: Stamp,
    /// The next token.
    next: usize,
    /// What the socket did not take.
    rest: Vec<u8>,
    stream: Arc<TcpStream>,
    record: Arc<Record>,
    usage: bool,
}

fn run(waiting: &Receiver<Job>) {
    let mut jobs = BinaryHeap::new();
    let mut frame = TokenFrame::new();
    loop {
        let now = clock::now();
        while jobs.peek().is_some_and(|Reverse(job): &Reverse<Job>| job.due <= now) {
            if let Some(Reverse(mut job)) = jobs.pop()
                && job.go_on(&mut frame)
            {
                jobs.push(Reverse(job));
            }
        }
        let pause = jobs.peek().map(|Reverse(job)| job.due.saturating_sub(clock::now()));
        let job = match pause {
            Some(pause) => waiting.recv_timeout(Duration::from_nanos(pause)),
            None => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match job {
            Ok(job) => jobs.push(Reverse(job)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        jobs.extend(waiting.try_iter().map(Reverse));
    }
}

impl Job {
    /// Sends what is due; false once there is nothing more to do.
    fn go_on(&mut self, frame: &mut TokenFrame) -> bool {
        let script = self.record.script;
        if self.rest.is_empty() {
            let bytes = frame.saying(&self.record.text, self.next);
            self.record.note_token(self.next);
            self.next += 1;
            if self.next < script.tokens {
                match self.stream.try_write(bytes) {
                    Ok(count) if count == bytes.len() => {}
                    Ok(count) => self.rest.extend_from_slice(&bytes[count..]),
                    Err(error) if is_full(&error) => self.rest.extend_from_slice(bytes),
                    Err(_) => return false,
                }
            } else {
                self.rest.extend_from_slice(bytes);
                self.rest.extend_from_slice(&wire::end(self.usage));
            }
        }
        if !self.rest.is_empty() && !self.send_rest() {
            return false;
        }
        if !self.rest.is_empty() {
            self.due = clock::now() + RETRY;
            return true;
        }
        let step = nanoseconds(script.pace.every) * u64::try_from(self.next).unwrap_or(u64::MAX);
        self.due = self.received + nanoseconds(script.pace.first) + step;
        self.next < script.tokens
    }

    /// Sends as much of the rest as the socket takes; false when it takes nothing ever again.
    fn send_rest(&mut self) -> bool {
        match self.stream.try_write(&self.rest) {
            Ok(count) => drop(self.rest.drain(..count)),
            Err(error) if is_full(&error) => {}
            Err(_) => return false,
        }
        true
    }
}

fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl Eq for Job {}

impl PartialOrd for Job {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Job {
    fn cmp(&self, other: &Self) -> Ordering {
        self.due.cmp(&other.due)
    }
}
