//! What the store does.

use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use redis::{Script, Value, cmd};

use super::RedisStore;
use super::begin::ending;
use super::call::{
    AMEND, CLEAR, CONFIGURE, COUNT, CREATE, Call, DELETE, EXCHANGE, FINISH, RECENT, RENAME, RENEW,
};
use super::fault::Fault;
use super::link::Request;
use super::rows::{Parts, decode, encode};
use crate::history::rules::judge;
use crate::history::{
    Addition, Amendment, Answer, Begun, Exchange, Fence, HistoryError, HistoryStore, MOST_COUNTERS,
    NewTurn, SessionRecord, SessionSettings, Used,
};
use crate::turn::{SessionId, Tenant, TurnId, Verdict};

/// Exchanges read at a time, so that a long conversation keeps nobody else waiting.
const PAGE: usize = 64;

/// How often a change is made anew when another one was made meanwhile.
const REDONE: usize = 5;

/// How long the fence of a deleted session is remembered, in seconds.
const FORMER_TTL: u64 = 24 * 60 * 60;

/// How long it is kept what was used in a day, in seconds: clocks of processes may differ.
const USAGE_TTL: u64 = 2 * 24 * 60 * 60;

/// Most sessions that are skipped or told at a time.
const MOST_LISTED: usize = 1_000_000;

impl RedisStore {
    fn call(&self, script: &'static Script, session: &SessionId) -> Call {
        Call::new(script, &self.keys, session).with("ttl", self.ttl.as_secs())
    }

    /// A call that is only obeyed while the fence is valid.
    fn fenced(&self, script: &'static Script, fence: &Fence) -> Call {
        self.call(script, &fence.session).with("fence", fence.number.to_string())
    }

    pub(super) fn lease_us(&self) -> u64 {
        u64::try_from(self.lease.as_micros()).unwrap_or(u64::MAX)
    }

    /// Runs a function that changes a session, and notes when that was used.
    async fn use_session(&self, session: &SessionId, call: Call) -> Result<(), HistoryError> {
        let mut parts = done(self.run(call).await?)?;
        self.index.note(session, parts.number("last use")?);
        Ok(())
    }

    /// Runs a function that tells the session.
    async fn record(&self, session: &SessionId, call: Call) -> Result<SessionRecord, HistoryError> {
        Ok(done(self.run(call).await?)?.parts("record")?.record(session)?)
    }

    /// The same where that is a use of the session.
    async fn used_record(
        &self,
        session: &SessionId,
        call: Call,
    ) -> Result<SessionRecord, HistoryError> {
        let record = self.record(session, call).await?;
        self.note(&record);
        Ok(record)
    }

    fn note(&self, record: &SessionRecord) {
        let used = u64::try_from(record.updated_at.as_microsecond()).unwrap_or(0);
        self.index.note(&record.id, used);
    }

    /// Adds verdicts to the answer that is there: it is read, judged here, and written if it is
    /// still the same.
    async fn amend_verdicts(
        &self,
        fence: &Fence,
        turn: &TurnId,
        late: &[Verdict],
    ) -> Result<(), HistoryError> {
        // No answer is like this one, so the first call tells the one that is there.
        let (mut former, mut changed) = (String::new(), String::new());
        for _ in 0..REDONE {
            let call = self
                .fenced(&AMEND, fence)
                .with("turn", turn.as_str())
                .with("former", &former)
                .with("answer", &changed);
            let answer = self.run(call).await?;
            let mut parts = Parts::of(answer)?;
            match parts.next::<String>("outcome")?.as_str() {
                "other" => former = parts.next("answer")?,
                outcome => return refusal(outcome).map_or(Ok(()), Err),
            }
            let mut answer: Answer = decode("the answer of an exchange", &former)?;
            judge(&mut answer, late);
            changed = encode(&answer)?;
        }
        Err(HistoryError::Overloaded)
    }

    /// The records of a tenant's sessions that are there, and how many are not; those are taken out of
    /// the index. A session that makes no sense must not keep the others from being told.
    async fn records(
        &self,
        tenant: &Tenant,
        names: &[String],
    ) -> Result<(Vec<SessionRecord>, usize), HistoryError> {
        let known = join_all(names.iter().map(|name| async move {
            match SessionId::stored(name) {
                Ok(session) => self.session(&session).await,
                Err(_) => Ok(None),
            }
        }));
        let (mut records, mut gone) = (Vec::new(), Vec::new());
        for (name, known) in names.iter().zip(known.await) {
            match known {
                Ok(Some(record)) => records.push(record),
                Ok(None) => gone.push(name.clone()),
                Err(HistoryError::Unavailable(reason))
                    if matches!(reason.downcast_ref(), Some(Fault::Damaged(_))) => {}
                Err(error) => return Err(error),
            }
        }
        self.index.remove(tenant, &gone).await?;
        Ok((records, gone.len()))
    }
}

impl RedisStore {
    /// The exchange that the function tells, and the fence that is valid.
    async fn exchange_and_fence(
        &self,
        session: &SessionId,
        call: Call,
    ) -> Result<Option<(Exchange, Fence)>, HistoryError> {
        let mut parts = Parts::of(self.run(call).await?)?;
        if parts.next::<String>("outcome")? == "none" {
            return Ok(None);
        }
        let exchange = parts.parts("exchange")?.exchange()?;
        let fence = Fence { session: session.clone(), number: parts.number("fence")? };
        Ok(Some((exchange, fence)))
    }
}

/// What an outcome refuses, if it does.
fn refusal(outcome: &str) -> Option<HistoryError> {
    match outcome {
        "session" => Some(HistoryError::SessionNotFound),
        "turn" => Some(HistoryError::TurnNotFound),
        "fenced" => Some(HistoryError::Fenced),
        _ => None,
    }
}

/// What follows the outcome of a function that did as asked.
fn done(answer: Value) -> Result<Parts, HistoryError> {
    let mut parts = Parts::of(answer)?;
    let outcome: String = parts.next("outcome")?;
    refusal(&outcome).map_or(Ok(parts), Err)
}

#[async_trait]
impl HistoryStore for RedisStore {
    async fn begin(&self, session: &SessionId, turn: &NewTurn) -> Result<Begun, HistoryError> {
        Ok(self.open_turn(session, turn).await?)
    }

    async fn finish(
        &self,
        fence: &Fence,
        turn: &TurnId,
        answer: &Answer,
    ) -> Result<(), HistoryError> {
        let call = self.fenced(&FINISH, fence).with("turn", turn.as_str());
        let heard = answer.outcome.as_ref().and_then(|outcome| outcome.heard.as_deref());
        self.use_session(&fence.session, ending(call, "", answer, heard)?).await
    }

    async fn amend(
        &self,
        fence: &Fence,
        turn: &TurnId,
        change: &Amendment,
    ) -> Result<(), HistoryError> {
        match change {
            Amendment::Heard(heard) => {
                let call = self.fenced(&AMEND, fence).with("turn", turn.as_str());
                done(self.run(call.with("heard", encode(heard)?)).await?).map(drop)
            }
            Amendment::Verdicts(late) => self.amend_verdicts(fence, turn, late).await,
        }
    }

    fn renewal(&self) -> Option<Duration> {
        Some(self.lease / 4)
    }

    async fn renew(&self, fence: &Fence) -> Result<(), HistoryError> {
        let call = self.fenced(&RENEW, fence).with("lease", self.lease_us());
        done(self.run(call).await?).map(drop)
    }

    async fn recent(
        &self,
        session: &SessionId,
        limit: usize,
    ) -> Result<Vec<Exchange>, HistoryError> {
        let (mut pages, mut left, mut before) = (Vec::new(), limit, u64::MAX);
        loop {
            let wanted = left.min(PAGE);
            let call = self.call(&RECENT, session).with("before", before).with("limit", wanted);
            let page = done(self.run(call).await?)?.exchanges()?;
            left -= page.len();
            let last = page.len() < wanted || left == 0;
            before = page.first().map_or(0, |oldest| oldest.position);
            pages.push(page);
            if last {
                return Ok(pages.into_iter().rev().flatten().collect());
            }
        }
    }

    async fn exchange(
        &self,
        session: &SessionId,
        turn: &TurnId,
    ) -> Result<Option<Exchange>, HistoryError> {
        let call = self.call(&EXCHANGE, session).with("turn", turn.as_str());
        let found = self.exchange_and_fence(session, call).await?;
        Ok(found.map(|(exchange, _)| exchange))
    }

    async fn last(&self, session: &SessionId) -> Result<Option<(Exchange, Fence)>, HistoryError> {
        let call = self.call(&EXCHANGE, session);
        self.exchange_and_fence(session, call).await
    }

    async fn session(&self, session: &SessionId) -> Result<Option<SessionRecord>, HistoryError> {
        let mut command = cmd("HMGET");
        command.arg(self.keys.meta(session));
        command.arg(&["title", "created", "updated", "count", "settings"]);
        let answer = self.link.ask(Request::Command(command)).await?;
        if matches!(&answer, Value::Array(parts) if parts.iter().all(|part| *part == Value::Nil)) {
            return Ok(None);
        }
        Ok(Some(Parts::of(answer)?.record(session)?))
    }

    async fn create(
        &self,
        session: &SessionId,
        settings: &SessionSettings,
    ) -> Result<SessionRecord, HistoryError> {
        let call = self.call(&CREATE, session).with("settings", encode(settings)?);
        self.used_record(session, call).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<SessionRecord>, HistoryError> {
        let limit = limit.min(MOST_LISTED);
        let (mut records, mut skip) = (Vec::new(), skip.min(MOST_LISTED));
        while records.len() < limit {
            let wanted = limit - records.len();
            let named = self.index.list(tenant, skip, wanted).await?;
            let (found, gone) = self.records(tenant, &named).await?;
            records.extend(found);
            skip += named.len() - gone;
            if named.len() < wanted {
                break;
            }
        }
        Ok(records)
    }

    async fn rename(
        &self,
        session: &SessionId,
        title: &str,
    ) -> Result<SessionRecord, HistoryError> {
        self.record(session, self.call(&RENAME, session).with("title", title)).await
    }

    async fn configure(
        &self,
        session: &SessionId,
        settings: &SessionSettings,
    ) -> Result<SessionRecord, HistoryError> {
        let call = self.call(&CONFIGURE, session).with("settings", encode(settings)?);
        self.used_record(session, call).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.use_session(session, self.call(&CLEAR, session)).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        let call = self.call(&DELETE, session).with("former_ttl", FORMER_TTL);
        done(self.run(call).await?)?;
        Ok(self.index.forget(session).await?)
    }

    async fn count(&self, day: i64, name: &str, addition: Addition) -> Result<Used, HistoryError> {
        let Addition { by, number, used } = addition;
        let mut call = COUNT.prepare_invoke();
        call.key(self.keys.usage(day, name)).arg(by).arg(number);
        call.arg(used.turns).arg(used.tokens).arg(USAGE_TTL).arg(MOST_COUNTERS);
        let answer = self.link.ask(Request::Script(call)).await?;
        let mut parts = Parts::of(answer)?;
        Ok(Used { turns: parts.next("turns")?, tokens: parts.next("tokens")? })
    }

    async fn health(&self) -> Result<(), HistoryError> {
        Ok(self.link.ask(self.link.trial()).await.map(drop)?)
    }
}
