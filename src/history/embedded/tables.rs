//! The tables as one write sees them.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use redb::{ReadableTable, ReadableTableMetadata, Table, WriteTransaction};
use serde::Serialize;
use tracing::warn;

use super::fault::Failure;
use super::load::{
    self, AFTER_ANY_ID, AddedKey, DayKey, Json, ListKey, PlaceKey, TurnKey, UseKey, place_in_list,
    places,
};
use super::schema::{
    ADDED, EXCHANGES, ExchangeRow, FENCE_KEY, LISTED, META, PROBE_KEY, SESSIONS, SessionRow, TURNS,
    TurnRow, USAGE, USED,
};
use crate::history::{Exchange, ExchangeState, HistoryError, MOST_COUNTERS, Used};
use crate::turn::{SessionId, Task, TurnId};

/// How long a commit proves that another one is possible.
const PROOF: Duration = Duration::from_secs(5);

/// The tables, open for writing.
pub(super) struct Tables<'write> {
    meta: Table<'write, &'static str, u64>,
    sessions: Table<'write, &'static str, Json>,
    turns: Table<'write, TurnKey, Json>,
    exchanges: Table<'write, PlaceKey, Json>,
    used: Table<'write, UseKey, ()>,
    listed: Table<'write, ListKey, ()>,
    usage: Table<'write, DayKey, (u64, u64)>,
    added: Table<'write, AddedKey, u64>,
    /// The time of the operation being done.
    pub now: Timestamp,
    /// When something was last committed.
    pub committed_at: Option<Instant>,
    /// Whether there is something to commit.
    pub changed: bool,
}

fn encode(row: &impl Serialize) -> Result<Vec<u8>, Failure> {
    Ok(serde_json::to_vec(row)?)
}

impl<'write> Tables<'write> {
    /// Opens the tables, and makes those that are not there.
    pub(super) fn open(transaction: &'write WriteTransaction) -> Result<Self, Failure> {
        Ok(Self {
            meta: transaction.open_table(META)?,
            sessions: transaction.open_table(SESSIONS)?,
            turns: transaction.open_table(TURNS)?,
            exchanges: transaction.open_table(EXCHANGES)?,
            used: transaction.open_table(USED)?,
            listed: transaction.open_table(LISTED)?,
            usage: transaction.open_table(USAGE)?,
            added: transaction.open_table(ADDED)?,
            now: Timestamp::UNIX_EPOCH,
            committed_at: None,
            changed: false,
        })
    }

    /// The fence given out last.
    pub(super) fn fence(&self) -> Result<u64, Failure> {
        Ok(self.meta.get(FENCE_KEY)?.map_or(0, |fence| fence.value()))
    }

    /// A fence greater than every earlier one.
    pub(super) fn next_fence(&mut self) -> Result<u64, Failure> {
        let fence = self.fence()? + 1;
        self.meta.insert(FENCE_KEY, fence)?;
        self.changed = true;
        Ok(fence)
    }

    pub(super) fn session(&self, session: &SessionId) -> Result<Option<SessionRow>, Failure> {
        load::session(&self.sessions, session.key())
    }

    /// The session, which has to be there.
    pub(super) fn known_session(&self, session: &SessionId) -> Result<SessionRow, Failure> {
        Ok(self.session(session)?.ok_or(HistoryError::SessionNotFound)?)
    }

    /// Every session whose row makes sense; one that does not must not keep the others from being
    /// used.
    pub(super) fn all_sessions(&self) -> Result<Vec<SessionRow>, Failure> {
        let mut rows = Vec::new();
        for entry in self.sessions.iter()? {
            let (key, row) = entry?;
            let row = serde_json::from_slice(row.value()).map_err(Failure::from);
            if let Ok(row) = row.and_then(|row| load::named(row, key.value())) {
                rows.push(row);
            } else {
                warn!("The row of a session makes no sense");
            }
        }
        Ok(rows)
    }

    pub(super) fn turn(
        &self,
        session: &SessionId,
        turn: &TurnId,
    ) -> Result<Option<TurnRow>, Failure> {
        load::turn(&self.turns, session, turn)
    }

    pub(super) fn task(&self, session: &SessionId, row: TurnRow) -> Result<Task, Failure> {
        load::task(&self.turns, session, row)
    }

    /// The row of a place that has to be there.
    pub(super) fn exchange(
        &self,
        session: &SessionId,
        position: u64,
    ) -> Result<ExchangeRow, Failure> {
        load::exchange(&self.exchanges, session, position)?
            .ok_or_else(|| Failure::missing("exchange of a turn"))
    }

    /// The position of the newest or oldest exchange of a session.
    fn place(&self, session: &SessionId, newest: bool) -> Result<Option<u64>, Failure> {
        let mut range = self.exchanges.range(places(session.key()))?;
        let entry = if newest { range.next_back() } else { range.next() };
        Ok(entry.transpose()?.map(|(key, _)| key.value().1))
    }

    /// The position of a session's oldest exchange.
    pub(super) fn oldest(&self, session: &SessionId) -> Result<Option<u64>, Failure> {
        self.place(session, false)
    }

    /// The position of a session's newest exchange.
    pub(super) fn newest(&self, session: &SessionId) -> Result<Option<u64>, Failure> {
        self.place(session, true)
    }

    pub(super) fn whole(
        &self,
        session: &SessionId,
        position: u64,
        row: ExchangeRow,
    ) -> Result<Exchange, Failure> {
        load::whole(&self.turns, session, position, row)
    }

    /// The newest finished exchanges before a position, oldest first.
    pub(super) fn finished_before(
        &self,
        session: &SessionId,
        position: u64,
        limit: usize,
    ) -> Result<Vec<Exchange>, Failure> {
        load::newest(&self.exchanges, &self.turns, session, position, limit, |row| {
            row.state == ExchangeState::Finished
        })
    }

    pub(super) fn put_session(&mut self, row: &SessionRow) -> Result<(), Failure> {
        self.sessions.insert(row.record.id.key(), encode(row)?.as_slice())?;
        self.changed = true;
        Ok(())
    }

    /// Stores a session as used now.
    pub(super) fn put_used_session(&mut self, row: &mut SessionRow) -> Result<(), Failure> {
        let (before, now) = (row.record.updated_at.as_microsecond(), self.now.as_microsecond());
        row.record.updated_at = self.now;
        let session = row.record.id.key();
        self.used.remove((before, session))?;
        self.used.insert((now, session), ())?;
        self.listed.remove(place_in_list(session, before))?;
        self.listed.insert(place_in_list(session, now), ())?;
        self.put_session(row)
    }

    pub(super) fn put_turn(
        &mut self,
        session: &SessionId,
        turn: &TurnId,
        row: &TurnRow,
    ) -> Result<(), Failure> {
        self.turns.insert((session.key(), turn.as_str()), encode(row)?.as_slice())?;
        self.changed = true;
        Ok(())
    }

    pub(super) fn put_exchange(
        &mut self,
        session: &SessionId,
        position: u64,
        row: &ExchangeRow,
    ) -> Result<(), Failure> {
        self.exchanges.insert((session.key(), position), encode(row)?.as_slice())?;
        self.changed = true;
        Ok(())
    }

    /// Forgets a place and every turn that belongs there.
    pub(super) fn forget_place(
        &mut self,
        session: &SessionId,
        position: u64,
    ) -> Result<(), Failure> {
        let row = self.exchange(session, position)?;
        self.exchanges.remove((session.key(), position))?;
        for turn in row.others.iter().chain([&row.turn]) {
            self.turns.remove((session.key(), turn.as_str()))?;
        }
        self.changed = true;
        Ok(())
    }

    /// Forgets every exchange of a session.
    pub(super) fn forget_exchanges(&mut self, session: &str) -> Result<(), Failure> {
        self.exchanges.retain_in(places(session), |_, _| false)?;
        self.turns.retain_in((session, "")..(session, AFTER_ANY_ID), |_, _| false)?;
        self.changed = true;
        Ok(())
    }

    /// Forgets a session that was last used at `used`.
    pub(super) fn forget_session(&mut self, session: &str, used: i64) -> Result<(), Failure> {
        self.forget_exchanges(session)?;
        self.sessions.remove(session)?;
        self.used.remove((used, session))?;
        self.listed.remove(place_in_list(session, used))?;
        Ok(())
    }

    /// Makes the lists of the tenants anew where they are not what was used: a version that knows no such
    /// lists has written the file. Whatever it did, there are more or fewer sessions then, or the one last
    /// used is not listed.
    pub(super) fn mend_lists(&mut self) -> Result<(), Failure> {
        let last = self.used.last()?.map(|(key, _)| {
            let (used, session) = key.value();
            (used, session.to_owned())
        });
        let is_listed = match last {
            Some((used, session)) => self.listed.get(place_in_list(&session, used))?.is_some(),
            None => true,
        };
        if is_listed && self.listed.len()? == self.used.len()? {
            return Ok(());
        }
        self.listed.retain(|_, ()| false)?;
        for entry in self.used.iter()? {
            let (key, _) = entry?;
            let (used, session) = key.value();
            self.listed.insert(place_in_list(session, used), ())?;
        }
        self.changed = true;
        Ok(())
    }

    /// What was used under a name in a day.
    pub(super) fn usage(&self, day: i64, name: &str) -> Result<Used, Failure> {
        let row = self.usage.get((day, name))?.map(|row| row.value());
        Ok(row.map(|(turns, tokens)| Used { turns, tokens }).unwrap_or_default())
    }

    /// Puts what was used under a name in a day, and forgets the days before.
    pub(super) fn put_usage(&mut self, day: i64, name: &str, used: Used) -> Result<(), Failure> {
        self.usage.retain_in((i64::MIN, "")..(day, ""), |_, _| false)?;
        self.usage.insert((day, name), (used.turns, used.tokens))?;
        self.changed = true;
        Ok(())
    }

    /// The number of what somebody added last to a day.
    pub(super) fn last_added(&self, day: i64, name: &str, by: u64) -> Result<Option<u64>, Failure> {
        Ok(self.added.get((day, name, by))?.map(|number| number.value()))
    }

    /// Notes what somebody has added to a day, and forgets the days before.
    pub(super) fn put_added(
        &mut self,
        day: i64,
        name: &str,
        by: u64,
        number: u64,
    ) -> Result<(), Failure> {
        self.added.retain_in((i64::MIN, "", 0)..(day, "", 0), |_, _| false)?;
        self.added.insert((day, name, by), number)?;
        let mut known = Vec::with_capacity(MOST_COUNTERS + 1);
        for entry in self.added.range((day, name, 0)..=(day, name, u64::MAX))? {
            let (key, number) = entry?;
            known.push((number.value(), key.value().2));
        }
        if let Some((_, oldest)) = known.iter().min().filter(|_| known.len() > MOST_COUNTERS) {
            self.added.remove((day, name, *oldest))?;
        }
        self.changed = true;
        Ok(())
    }

    /// At most `limit` sessions that were last used before `time`, and when, in microseconds.
    pub(super) fn unused_since(
        &self,
        time: Timestamp,
        limit: usize,
    ) -> Result<Vec<(i64, String)>, Failure> {
        let unused = self.used.range((i64::MIN, "")..(time.as_microsecond(), ""))?;
        unused
            .take(limit)
            .map(|entry| {
                let (key, _) = entry?;
                let (used, session) = key.value();
                Ok((used, session.to_owned()))
            })
            .collect()
    }
}

/// Writes something to see whether that can be done, unless that was seen a moment ago.
pub(super) fn probe(tables: &mut Tables<'_>) -> Result<(), Failure> {
    if tables.committed_at.is_some_and(|time| time.elapsed() < PROOF) {
        return Ok(());
    }
    let count = tables.meta.get(PROBE_KEY)?.map_or(0, |count| count.value());
    tables.meta.insert(PROBE_KEY, count.wrapping_add(1))?;
    tables.changed = true;
    Ok(())
}
